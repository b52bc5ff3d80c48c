"""Fitted Pipelines on disk: model files, their metadata, other formats and the model card."""

from digitrec.persistence.export import Export, Parity, compare_models, export_model
from digitrec.persistence.model_card import render_model_card, write_model_card
from digitrec.persistence.model_file import (
    FORMAT,
    ModelMetadata,
    check_model_path,
    load_model,
    metadata_path,
    read_metadata,
    save_model,
    write_metadata,
)
from digitrec.persistence.onnx_graph import build_onnx
from digitrec.persistence.onnx_model import OnnxClassifier

__all__ = [
    "FORMAT",
    "Export",
    "ModelMetadata",
    "OnnxClassifier",
    "Parity",
    "build_onnx",
    "check_model_path",
    "compare_models",
    "export_model",
    "load_model",
    "metadata_path",
    "read_metadata",
    "render_model_card",
    "save_model",
    "write_metadata",
    "write_model_card",
]
