"""Fitted models on corrupted images."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.neighbors import KNeighborsClassifier

from digitrec._messages import messages_to
from digitrec.analyses.robustness import load_mnist_c, score_robustness
from digitrec.datasets import load_dataset
from digitrec.errors import DatasetError
from digitrec.preprocessing import build_features, join_pipelines
from digitrec.preprocessing.corruptions import CORRUPTIONS, corrupt_images


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("digits")


@pytest.fixture(scope="module")
def models(dataset):
    fitted = []
    for features, estimator in [
        ("raw", KNeighborsClassifier()),
        ("raw", DummyClassifier()),
        ("gradients", KNeighborsClassifier()),
    ]:
        pipeline = join_pipelines(
            build_features(features, dataset.image_shape), model=estimator
        ).fit(dataset.X_train, dataset.y_train)
        fitted.append((f"{features}-{type(estimator).__name__}", features, pipeline))
    return fitted


def test_scores_are_those_of_the_whole_pipelines(dataset, models):
    clean = {
        name: float(np.mean(p.predict(dataset.X_test) != dataset.y_test)) for name, _, p in models
    }
    lines = []
    with messages_to(lines.append):
        outcome = score_robustness(dataset, models, clean, random_state=3)
    assert [kind["name"] for kind in outcome["kinds"]] == list(CORRUPTIONS)
    assert len(lines) == len(CORRUPTIONS)
    place = list(CORRUPTIONS).index("spatter")
    X = corrupt_images(dataset.X_test, dataset.image_shape, "spatter", random_state=3)
    for row, (name, _, pipeline) in zip(outcome["models"], models, strict=True):
        assert row["name"] == name
        assert row["errors"][place] == np.mean(pipeline.predict(X) != dataset.y_test)
        assert row["mean_corruption_error"] == pytest.approx(np.mean(row["errors"]))
    knn, dummy, _ = outcome["models"]
    assert knn["clean_error"] < knn["mean_corruption_error"] < dummy["mean_corruption_error"]
    assert len(set(dummy["errors"])) == 1


def write_kind(folder, kind="fog", images=None, labels=None):
    (folder / kind).mkdir(exist_ok=True)
    images = np.zeros((3, 28, 28, 1), dtype=np.uint8) if images is None else images
    labels = np.arange(3) if labels is None else labels
    np.save(folder / kind / "test_images.npy", images)
    np.save(folder / kind / "test_labels.npy", labels)


def test_published_arrays_are_read(tmp_path):
    write_kind(tmp_path, images=np.full((3, 28, 28, 1), 7, dtype=np.uint8))
    X, y = load_mnist_c(tmp_path, "fog")
    assert (X.shape, X.dtype, y.dtype) == ((3, 784), np.uint8, np.int64)
    assert (X == 7).all()
    assert y.tolist() == [0, 1, 2]


def test_published_arrays_that_are_missing_or_wrong_are_named(tmp_path):
    with pytest.raises(DatasetError, match="no MNIST-C array at"):
        load_mnist_c(tmp_path, "fog")
    write_kind(tmp_path, labels=np.arange(2))
    with pytest.raises(DatasetError, match="3 images and 2 labels"):
        load_mnist_c(tmp_path, "fog")
    write_kind(tmp_path, images=np.zeros((3, 10), dtype=np.uint8))
    with pytest.raises(DatasetError, match="shape"):
        load_mnist_c(tmp_path, "fog")
    path = tmp_path / "fog" / "test_images.npy"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DatasetError, match="damaged"):
        load_mnist_c(tmp_path, "fog")
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match="damaged"):
        load_mnist_c(tmp_path, "fog")


def test_models_are_scored_on_published_arrays(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(20) % 2
    X = np.where(y[:, None] == 1, 200, 20) + rng.integers(0, 20, size=(20, 784))
    for kind in CORRUPTIONS:
        write_kind(tmp_path, kind, X.reshape(-1, 28, 28, 1).astype(np.uint8), y)
    pipeline = join_pipelines(build_features("raw", (28, 28)), model=KNeighborsClassifier(1))
    pipeline.fit(X, y)
    small = load_dataset("mnist_5k", max_train=200)
    outcome = score_robustness(small, [("knn", "raw", pipeline)], {"knn": 0.0}, mnist_c=tmp_path)
    assert outcome["source"] == "MNIST-C"
    assert outcome["n"] == 20
    assert outcome["models"][0]["errors"] == [0.0] * 15
    calls = iter(range(3))
    with pytest.raises(StopIteration):
        score_robustness(
            small, [("knn", "raw", pipeline)], {"knn": 0.0}, mnist_c=tmp_path,
            before_each=lambda: next(calls),
        )  # fmt: skip
