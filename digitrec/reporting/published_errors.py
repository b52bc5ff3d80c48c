"""Error rates that others published."""

from __future__ import annotations

from typing import NamedTuple


class PublishedRow(NamedTuple):
    """One published result; `error` is a fraction of the dataset's own test images."""

    method: str
    error: float
    source: str


class TableRow(NamedTuple):
    """Test accuracies (0–1, to three digits) of one classifier on raw pixels."""

    method: str
    mnist: float
    fashion_mnist: float


# Table 3 of H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for
# Benchmarking Machine Learning Algorithms"; `benchmarks.published` repeats its rows.
FASHION_MNIST_TABLE = {
    "random_forest": TableRow("Random forest, 100 trees, entropy", 0.970, 0.873),
    "mlp": TableRow("MLP, 100 hidden units, ReLU", 0.972, 0.871),
    "knn": TableRow("kNN, k = 5, L1, weighted by distance", 0.959, 0.854),
    "svc_rbf_10": TableRow("SVM, RBF, C = 10", 0.973, 0.897),
    "svc_poly_10": TableRow("SVM, polynomial, C = 10", 0.976, 0.891),
    "svc_poly_100": TableRow("SVM, polynomial, C = 100", 0.978, 0.890),
    "logistic_regression": TableRow("Logistic regression, L1, one-vs-rest", 0.917, 0.842),
}

_PAPER = "[Xiao et al. 2017, table 3](https://arxiv.org/abs/1708.07747)"
_SKLEARN = (
    "[scikit-learn bench_mnist](https://github.com/scikit-learn/scikit-learn/"
    "blob/main/benchmarks/bench_mnist.py)"
)
_LECUN = "[LeCun's table](http://yann.lecun.com/exdb/mnist/)"
_SUBMITTED = (
    "[Fashion-MNIST README](https://github.com/zalandoresearch/fashion-mnist#benchmark), "
    "submitted by users"
)


def _table(dataset: str) -> tuple[PublishedRow, ...]:
    return tuple(
        PublishedRow(row.method, round(1 - getattr(row, dataset), 3), _PAPER)
        for row in FASHION_MNIST_TABLE.values()
    )


# By dataset.
PUBLISHED: dict[str, tuple[PublishedRow, ...]] = {
    "mnist": (
        *_table("mnist"),
        PublishedRow("Linear classifier, deskewed", 0.084, _LECUN),
        PublishedRow("Random forest", 0.0318, _SKLEARN),
        PublishedRow("Extra trees", 0.0294, _SKLEARN),
        PublishedRow("kNN, L2, deskewed", 0.024, _LECUN),
        PublishedRow("Nyström SVM", 0.0228, _SKLEARN),
        PublishedRow("MLP, Adam", 0.0224, _SKLEARN),
        PublishedRow("SVM, Gaussian", 0.014, _LECUN),
        PublishedRow("SVM, polynomial of degree 4, deskewed", 0.011, _LECUN),
        PublishedRow("LeNet-5", 0.0095, _LECUN),
        PublishedRow("Multi-cell HOG and SVM", 0.0064, "Khan 2017"),
        PublishedRow("Virtual SVM, jittered by 2 pixels", 0.0056, _LECUN),
        PublishedRow("kNN with P2DHMDM distance", 0.0052, _LECUN),
        PublishedRow("Convolutional kernel networks", 0.0039, "Mairal et al. 2014"),
        PublishedRow(
            "Fixed filters, random weights, least squares", 0.0037, "McDonnell & Vladusich 2015"
        ),
        PublishedRow("6-layer MLP, elastic distortions", 0.0035, _LECUN),
        PublishedRow("Committee of 35 CNNs, elastic distortions", 0.0023, _LECUN),
    ),
    "fashion_mnist": (
        *_table("fashion_mnist"),
        PublishedRow("People without fashion expertise", 0.165, _SUBMITTED),
        PublishedRow("XGBoost on scaled pixels", 0.102, _SUBMITTED),
        PublishedRow("MLP, 256-128-64", 0.1, _SUBMITTED),
        PublishedRow("CNN, 2 convolutional layers", 0.084, _SUBMITTED),
        PublishedRow("HOG and SVM", 0.074, _SUBMITTED),
        PublishedRow("Wide ResNet 28-10, random erasing", 0.037, _SUBMITTED),
    ),
}
