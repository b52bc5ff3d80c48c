"""The candidates of the frontier benchmark, and the trials that their settings come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from digitrec.preprocessing import Augmentation, ConvolutionFilters, EdgeMaps


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to a low error.

    Attributes
    ----------
    name, title : str
        Key, and name for tables.
    summary : str
        One sentence.
    features, model : str
        Feature set, and registry key of the model; empty for a committee.
    parameters : dict
        Overrides of the model's parameters.
    members : tuple of str
        Names of the candidates whose probabilities a committee averages.
    """

    name: str
    title: str
    summary: str
    features: str = ""
    model: str = ""
    parameters: tuple[tuple[str, Any], ...] = ()
    members: tuple[str, ...] = ()


_EDGES = EdgeMaps()

# Whitened components have more equal sizes: a broader kernel and a smaller C suit them.
_EDGES_SVM = (
    ("descriptor", _EDGES),
    ("n_components", 200),
    ("whitening", 0.25),
    ("C", 3.0),
)

_DIGITS = (
    Candidate(
        name="svm",
        title="SVM",
        summary="RBF kernel on 150 components of edges and their bends; no distortions.",
        features="edges",
        model="svm",
    ),
    Candidate(
        name="augmented_mlp",
        title="Edges MLP",
        summary=(
            "512 hidden units on edges and their bends, a new distorted copy of every image in "
            "each epoch."
        ),
        features="deskewed",
        model="augmented_mlp",
    ),
    Candidate(
        name="virtual_svm",
        title="Edges SVM",
        summary=(
            "RBF kernel on 200 whitened components of edges and their bends, refitted with "
            "distorted copies, 8 of each image, that are near its margins."
        ),
        features="deskewed",
        model="virtual_svm",
    ),
    Candidate(
        name="committee",
        title="Edges pair",
        summary="The mean of the probabilities of the edges SVM and the edges MLP.",
        members=("virtual_svm", "augmented_mlp"),
    ),
    Candidate(
        name="convolution_svm",
        title="Convolution SVM",
        summary=(
            "The SVM on maps of 16 filters of 3x3 pixels that are learned from patches of the "
            "training images; 8 copies of each image."
        ),
        features="deskewed",
        model="convolution_svm",
    ),
    Candidate(
        name="wide_convolution_svm",
        title="Wide SVM",
        summary="The convolution SVM with 24 filters of 4x4 pixels.",
        features="deskewed",
        model="convolution_svm",
        parameters=(
            ("descriptor", ConvolutionFilters(n_filters=24, side=4)),
            ("random_state", 1),
        ),
    ),
    Candidate(
        name="convolution_mlp",
        title="Convolution MLP",
        summary=(
            "The network on 300 components of the maps of the learned filters, for twice as many "
            "epochs."
        ),
        features="deskewed",
        model="convolution_mlp",
        parameters=(("n_components", 300), ("n_epochs", 72)),
    ),
    Candidate(
        name="convolution_committee",
        title="Convolution pair",
        summary="The mean of the probabilities of the SVM and the MLP on learned filters.",
        members=("convolution_svm", "convolution_mlp"),
    ),
    Candidate(
        name="committee_of_three",
        title="Committee of three",
        summary="The convolution SVM, the wide SVM and the convolution MLP.",
        members=("convolution_svm", "wide_convolution_svm", "convolution_mlp"),
    ),
    Candidate(
        name="upright_edges_svm",
        title="Edges SVM without deskew",
        summary="The edges SVM on the images as they are.",
        features="raw",
        model="virtual_svm",
        parameters=(("random_state", 1),),
    ),
    Candidate(
        name="edges_mlp",
        title="Long edges MLP",
        summary="The network on 300 components of edges and their bends, for 72 epochs.",
        features="deskewed",
        model="augmented_mlp",
        parameters=(("descriptor", _EDGES), ("n_components", 300), ("n_epochs", 72)),
    ),
    Candidate(
        name="edges_views",
        title="Two views",
        summary="The mean of the edges SVMs on the deskewed image and on the image as it is.",
        members=("virtual_svm", "upright_edges_svm"),
    ),
    Candidate(
        name="edges_committee",
        title="Edges committee",
        summary="Both edges SVMs and the long edges MLP.",
        members=("virtual_svm", "upright_edges_svm", "edges_mlp"),
    ),
    Candidate(
        name="edges_committee_of_four",
        title="Edges committee of four",
        summary="Both edges SVMs, the long edges MLP and the convolution SVM.",
        members=("virtual_svm", "upright_edges_svm", "edges_mlp", "convolution_svm"),
    ),
)

# Garments hang straight: a deskew and strong distortions only take information away, and
# copies did not lower the validation error of the SVM.
_GARMENTS = (
    _DIGITS[0],
    Candidate(
        name="upright_svm",
        title="SVM without deskew",
        summary="RBF kernel on 250 components of the gradients of the images as they are.",
        features="raw",
        model="virtual_svm",
        parameters=(
            ("descriptor", None),
            ("n_copies", 0),
            ("n_components", 250),
            ("whitening", 0.0),
            ("C", 5.0),
            ("gamma", 0.0056),
        ),
    ),
    Candidate(
        name="augmented_mlp",
        title="Augmented MLP",
        summary="512 hidden units, a new, gently distorted copy of every image in each epoch.",
        features="raw",
        model="augmented_mlp",
        parameters=(
            ("descriptor", None),
            ("n_components", 300),
            ("n_epochs", 18),
            (
                "augmentation",
                Augmentation(rotation=4, scale=0.06, shear=0.05, elastic_alpha=6, thickness=0.1),
            ),
        ),
    ),
    Candidate(
        name="committee",
        title="SVM and MLP",
        summary="The mean of the probabilities of the SVM without deskew and the MLP.",
        members=("upright_svm", "augmented_mlp"),
    ),
)


def candidates_for(dataset: str) -> dict[str, Candidate]:
    """Return the candidates for a dataset, by name."""
    track = _GARMENTS if dataset == "fashion_mnist" else _DIGITS
    return {candidate.name: candidate for candidate in track}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A variation of the convolution SVM with 4 copies, on few rows.

    Attributes
    ----------
    title : str
        What was changed.
    features : str
        Feature set that it takes.
    parameters : dict
        Overrides of the model's parameters.
    views : int
        Gently distorted copies of each predicted image whose decisions are added to its own.
    """

    title: str
    features: str = "deskewed"
    parameters: tuple[tuple[str, Any], ...] = ()
    views: int = 0


VIEWS = Augmentation(rotation=4, scale=0.05, shear=0.05, shift=0.7)

_GAMMA = 0.7 / 150

TRIALS = (
    Trial(title="no copies", parameters=(("n_copies", 0),)),
    Trial(title="4 copies (the base of the rows below)"),
    Trial(title="8 copies", parameters=(("n_copies", 8),)),
    Trial(title="affine jitter only", parameters=(("augmentation", Augmentation(rotation=7)),)),
    Trial(
        title="half of each distortion",
        parameters=(
            (
                "augmentation",
                Augmentation(
                    rotation=3.5, scale=0.05, shear=0.05, shift=0.5, elastic_alpha=9, thickness=0.15
                ),
            ),
        ),
    ),
    Trial(title="decisions averaged over the image and 4 gently distorted copies", views=4),
    Trial(title="no deskew", features="raw"),
    Trial(title="gradient directions for filters", parameters=(("descriptor", None),)),
    *(
        Trial(title=title, parameters=(("descriptor", ConvolutionFilters(**settings)),))
        for title, settings in (
            ("8 filters", {"n_filters": 8}),
            ("32 filters", {"n_filters": 32}),
            ("24 filters of 4x4 pixels", {"n_filters": 24, "side": 4}),
            ("24 filters of 5x5 pixels", {"n_filters": 24, "side": 5}),
            ("threshold 0.3", {"threshold": 0.3}),
            ("threshold 0.8", {"threshold": 0.8}),
        )
    ),
    Trial(title="fixed edges and their bends", parameters=(("descriptor", EdgeMaps()),)),
    Trial(title="the same, 200 whitened components", parameters=_EDGES_SVM),
    Trial(
        title="the same without deskew",
        features="raw",
        parameters=_EDGES_SVM,
    ),
    Trial(title="C = 3", parameters=(("C", 3.0),)),
    Trial(title="C = 30", parameters=(("C", 30.0),)),
    Trial(title="gamma halved", parameters=(("gamma", _GAMMA / 2),)),
    Trial(title="gamma doubled", parameters=(("gamma", _GAMMA * 2),)),
    Trial(title="100 components", parameters=(("n_components", 100),)),
    Trial(title="250 components", parameters=(("n_components", 250),)),
)
