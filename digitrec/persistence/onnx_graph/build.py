"""Build the ONNX graph of a whole Pipeline."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from digitrec.errors import ConfigurationError
from digitrec.persistence.onnx_graph.classifiers import add_classifier
from digitrec.persistence.onnx_graph.graph import Graph

INPUT, LABEL, PROBABILITIES, SCORES = "pixels", "label", "probabilities", "scores"

PROPERTY = "digitrec"
"""Key of the model's metadata under which the classes are kept, as JSON."""

ONNX_FORMAT = 1


def build_onnx(model: Pipeline) -> Any:
    """Return the ONNX graph of a fitted Pipeline.

    Parameters
    ----------
    model : Pipeline
        Fitted, from raw pixels 0–255 to labels, made of digitrec's transformers and models.

    Returns
    -------
    onnx.ModelProto
        Its input ``pixels`` is float32 ``(rows, height * width)``, any number of rows. Its
        outputs are ``label`` (rows,) and ``probabilities`` (rows, classes), or ``scores`` in the
        place of the latter where the model has no probabilities: its decision values.

    Raises
    ------
    ConfigurationError
        If a part of the model has no ONNX form.
    MissingExtraError
        If ONNX is not installed.
    """
    g = Graph()
    classes = np.asarray(model.classes_)
    if classes.dtype.kind not in "iuU":
        raise ConfigurationError(
            f"labels of type {classes.dtype} have no ONNX form; integers and strings have"
        )
    values = PROBABILITIES if hasattr(model, "predict_proba") else SCORES
    scores = add_classifier(g, model, INPUT)
    winner = g("ArgMax", scores, axis=1, keepdims=0)
    g("Gather", classes, winner, output=LABEL)
    g("Identity", scores, output=values)
    return g.build(
        inputs={INPUT: int(model.n_features_in_)},
        outputs={
            LABEL: ("str" if classes.dtype.kind == "U" else "int64",),
            values: ("float32", len(classes)),
        },
        properties={
            PROPERTY: json.dumps({"format": ONNX_FORMAT, "classes": classes.tolist()}),
        },
    )
