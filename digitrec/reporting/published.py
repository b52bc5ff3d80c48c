"""Error rates that others published, to stand beside ours."""

from __future__ import annotations

from typing import NamedTuple


class PublishedRow(NamedTuple):
    """One published result; `error` is a fraction of the dataset's own test images."""

    method: str
    error: float
    source: str


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

# By dataset.
PUBLISHED: dict[str, tuple[PublishedRow, ...]] = {
    "mnist": (
        PublishedRow("Linear classifier, deskewed", 0.084, _LECUN),
        PublishedRow("Logistic regression", 0.083, _PAPER),
        PublishedRow("kNN, k = 5, L1", 0.041, _PAPER),
        PublishedRow("Random forest", 0.0318, _SKLEARN),
        PublishedRow("Extra trees", 0.0294, _SKLEARN),
        PublishedRow("Random forest, 100 trees", 0.029, _PAPER),
        PublishedRow("MLP, 100 hidden units, ReLU", 0.028, _PAPER),
        PublishedRow("kNN, L2, deskewed", 0.024, _LECUN),
        PublishedRow("Nyström SVM", 0.0228, _SKLEARN),
        PublishedRow("MLP, Adam", 0.0224, _SKLEARN),
        PublishedRow("SVM, polynomial, C = 100", 0.022, _PAPER),
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
        PublishedRow("People without fashion expertise", 0.165, _SUBMITTED),
        PublishedRow("XGBoost on scaled pixels", 0.102, _SUBMITTED),
        PublishedRow("MLP, 256-128-64", 0.1, _SUBMITTED),
        PublishedRow("CNN, 2 convolutional layers", 0.084, _SUBMITTED),
        PublishedRow("HOG and SVM", 0.074, _SUBMITTED),
        PublishedRow("Wide ResNet 28-10, random erasing", 0.037, _SUBMITTED),
    ),
}
