"""A fitted Pipeline as one ONNX graph, from raw pixels to labels and probabilities."""

from digitrec.persistence.onnx_graph.build import (
    INPUT,
    LABEL,
    ONNX_FORMAT,
    PROBABILITIES,
    PROPERTY,
    SCORES,
    build_onnx,
)

__all__ = ["INPUT", "LABEL", "ONNX_FORMAT", "PROBABILITIES", "PROPERTY", "SCORES", "build_onnx"]
