"""Registry keys as names for tables and figures."""

from __future__ import annotations

__all__ = ["dataset_title", "model_title"]

_DATASETS = {
    "digits": "scikit-learn's 8x8 digits",
    "fashion_mnist": "Fashion-MNIST",
    "mnist": "MNIST",
    "mnist_5k": "MNIST, 5,000 images",
}
_WORDS = {
    "cnn": "CNN",
    "gaussian": "Gaussian",
    "hist": "histogram",
    "knn": "kNN",
    "lda": "LDA",
    "mlp": "MLP",
    "nb": "naive Bayes",
    "nystroem": "Nyström",
    "qda": "QDA",
    "svm": "SVM",
}


def dataset_title(name: str) -> str:
    """Return a dataset's name as a reader knows it."""
    return _DATASETS.get(name, name)


def model_title(name: str) -> str:
    """Return a model's registry key as words: ``nystroem_svm`` becomes ``Nyström SVM``."""
    words = " ".join(_WORDS.get(word, word) for word in name.split("_") if word)
    return words if words.startswith("kNN") else words[:1].upper() + words[1:]
