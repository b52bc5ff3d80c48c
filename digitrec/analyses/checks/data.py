"""Checks of the data: copies, labels, rare classes, test rows that were used before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digitrec.analyses.checks._check import Finding, check, listed

if TYPE_CHECKING:
    from digitrec.analyses import AnalysisContext

# Correlation of the pixels of two images. The largest between any training and test image of
# MNIST is 0.98; the same image saved as JPEG, or with 2 % noise, has more than 0.997.
MIN_CORRELATION = 0.995
# The same of images averaged over blocks, which are searched first.
MIN_COARSE_CORRELATION = 0.99
COARSE_SIDE = 8  # pixels
MAX_PAIRS_SEARCHED = 6 * 10**8  # MNIST: all; 1 to 2 s on two cores
_BLOCK = 4000
_PAIRS_SHOWN = 8


def identical_rows(X_train: NDArray[Any], X_test: NDArray[Any]) -> list[tuple[int, int]]:
    """Return ``(test row, first training row)`` of each test row that is also a training row."""
    first: dict[bytes, int] = {}
    for row, values in enumerate(np.ascontiguousarray(X_train)):
        first.setdefault(values.tobytes(), row)
    test = np.ascontiguousarray(X_test, dtype=X_train.dtype)
    found = ((row, first.get(values.tobytes())) for row, values in enumerate(test))
    return [(row, twin) for row, twin in found if twin is not None]


def nearly_identical_images(
    X_train: NDArray[Any], X_test: NDArray[Any], image_shape: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return ``(test row, training row)`` of images whose pixels correlate almost perfectly.

    Brighter and darker copies count. Of very many images a sample of the test images is
    compared.
    """
    n_test = min(len(X_test), max(1, MAX_PAIRS_SEARCHED // len(X_train)))
    rows = np.arange(len(X_test))
    if n_test < len(rows):
        rows = np.sort(np.random.default_rng(0).choice(rows, n_test, replace=False))
    test = _directions(_coarse(X_test[rows], image_shape))
    best = np.full(n_test, -1.0, dtype=np.float32)
    twin = np.zeros(n_test, dtype=np.intp)
    for start in range(0, len(X_train), _BLOCK):
        train = _directions(_coarse(X_train[start : start + _BLOCK], image_shape))
        correlation = test @ train.T
        place = correlation.argmax(axis=1)
        value = correlation[np.arange(n_test), place]
        better = value > best
        best[better], twin[better] = value[better], place[better] + start
    near = np.flatnonzero(best >= MIN_COARSE_CORRELATION)
    full = np.sum(
        _directions(np.asarray(X_test[rows[near]], dtype=np.float32))
        * _directions(np.asarray(X_train[twin[near]], dtype=np.float32)),
        axis=1,
    )
    return [(int(rows[i]), int(twin[i])) for i in near[full >= MIN_CORRELATION]]


def _coarse(X: NDArray[Any], image_shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return images averaged over blocks, to about `COARSE_SIDE` pixels a side."""
    images = np.asarray(X, dtype=np.float32).reshape(-1, *image_shape)
    step = max(1, round(max(image_shape) / COARSE_SIDE))
    height, width = (max(1, side // step) for side in image_shape)
    step_y, step_x = min(step, image_shape[0]), min(step, image_shape[1])
    blocks = images[:, : height * step_y, : width * step_x]
    blocks = blocks.reshape(len(images), height, step_y, width, step_x)
    return blocks.mean(axis=(2, 4)).reshape(len(images), -1)


def _directions(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of mean 0 and length 1: their products are correlations."""
    centred = X - X.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(length > 0, length, 1)


@check("warning", "Identical or nearly identical rows in training and test set")
def duplicates(context: AnalysisContext) -> Finding | None:
    """Look for identical rows, and among images for nearly identical ones."""
    dataset = context.dataset
    X_train, X_test = np.asarray(dataset.X_train), np.asarray(dataset.X_test)
    same = identical_rows(X_train, X_test)
    near: list[tuple[int, int]] = []
    if dataset.image_shape is not None:
        known = {row for row, _ in same}
        found = nearly_identical_images(X_train, X_test, dataset.image_shape)
        near = [pair for pair in found if pair[0] not in known]
    if not same and not near:
        return None
    y_train, y_test = np.asarray(dataset.y_train), np.asarray(dataset.y_test)
    n_other_label = sum(int(y_test[row] != y_train[twin]) for row, twin in [*same, *near])
    parts = [f"{len(same):,} identical"] if same else []
    parts += [f"{len(near):,} nearly identical"] if near else []
    sentence = (
        f"{len(same) + len(near):,} of {len(X_test):,} test rows repeat a training row "
        f"({' and '.join(parts)}"
        + (f"; {n_other_label:,} with another label" if n_other_label else "")
        + "): on these rows, models that memorise training rows look better than they are."
    )
    names = [str(name) for name in dataset.label_names]
    pictures = []
    if dataset.image_shape is not None:
        for row, twin in [*same, *near][:_PAIRS_SHOWN]:
            pictures.append(("test", row, f"test {row}\n{names[y_test[row]]}"))
            pictures.append(("train", twin, f"training {twin}\n{names[y_train[twin]]}"))
    return Finding(
        sentence=sentence,
        advice="Remove them from the training rows, or split so that copies stay together.",
        numbers={
            "identical": len(same),
            "nearly_identical": len(near),
            "other_label": n_other_label,
            "rows": [list(pair) for pair in [*same, *near][:100]],
        },
        pictures=pictures,
    )


MIN_CONFIDENCE = 0.9  # probability of the answer
MIN_MODELS = 2
_SHOWN = 16


@check("note", "Labels that all models contradict with high confidence")
def contradicted_labels(context: AnalysisContext) -> Finding | None:
    """Look for test rows for which every model predicts the same other class with confidence."""
    truth = np.asarray(context.dataset.y_test)
    said = [context.predictions(result) for result in context.one_per_model]
    sure = [p for p in said if p.has_probabilities and p.test_scores is not None]
    if len(said) < MIN_MODELS or not sure:
        return None
    answer = np.asarray(said[0].y_test_pred)
    against = answer != truth
    for predictions in said[1:]:
        against &= np.asarray(predictions.y_test_pred) == answer
    confidence = np.min(
        [np.asarray(p.test_scores)[np.arange(len(truth)), answer] for p in sure], axis=0
    )
    rows = np.flatnonzero(against & (confidence >= MIN_CONFIDENCE))
    if not len(rows):
        return None
    rows = rows[np.argsort(-confidence[rows], kind="stable")]
    names = [str(name) for name in context.dataset.label_names]
    shown = [f"row {row}: {names[truth[row]]}, predicted {names[answer[row]]}" for row in rows]
    pictures = []
    if context.dataset.image_shape is not None:
        pictures = [
            ("test", int(row), f"row {row}\n{names[truth[row]]} → {names[answer[row]]}")
            for row in rows[:_SHOWN]
        ]
    return Finding(
        sentence=(
            f"All {len(said)} models predict the same other class for {len(rows):,} of "
            f"{len(truth):,} test rows, each with a probability of at least "
            f"{100 * MIN_CONFIDENCE:.0f} % where it has one ({listed(shown, limit=3)})."
        ),
        advice=(
            "Look at these rows: if a label is wrong, every model that predicts the true class is "
            "counted wrong. Do not remove rows because models misclassify them."
        ),
        numbers={"rows": rows[:100].tolist(), "count": len(rows), "models": len(said)},
        pictures=pictures,
    )


MIN_ROWS = 10  # of a class in a part; fewer make its scores jump by 10 points a row


@check("warning", "Classes that are rare or missing in a part of the data")
def rare_classes(context: AnalysisContext) -> Finding | None:
    """Count the rows of each class in the training, validation and test rows."""
    dataset = context.dataset
    names = [str(name) for name in dataset.label_names]
    y_train = np.asarray(dataset.y_train)
    parts = {"training": y_train}
    for result in context.one_per_model[:1]:
        parts["validation"] = y_train[context.predictions(result).validation_index]
    parts["test"] = np.asarray(dataset.y_test)
    counts = {part: np.bincount(y, minlength=len(names)) for part, y in parts.items()}
    gaps = []
    numbers = {}
    for part, found in counts.items():
        missing = [names[i] for i in np.flatnonzero(found == 0)]
        rare = np.flatnonzero((found > 0) & (found < MIN_ROWS))
        if missing:
            gaps.append(f"no {part} rows of {listed(missing)}")
        if len(rare):
            gaps.append(
                f"fewer than {MIN_ROWS} {part} rows of "
                + listed([f"{names[i]} ({found[i]})" for i in rare])
            )
        if missing or len(rare):
            numbers[part] = {names[i]: int(found[i]) for i in np.flatnonzero(found < MIN_ROWS)}
    if not gaps:
        return None
    return Finding(
        sentence=f"There are {'; '.join(gaps)}.",
        advice="Collect more rows of these classes, merge them, or leave them out of conclusions.",
        numbers=numbers,
    )


MAX_ROWS = 5000  # training rows that are looked at


def useless_columns(X: np.ndarray) -> tuple[list[int], list[int]]:
    """Return the columns that are constant, and those others that equal an earlier one."""
    constant = np.all(X[:1] == X, axis=0)
    seen: set[bytes] = set()
    repeated = []
    for column in np.flatnonzero(~constant):
        content = np.ascontiguousarray(X[:, column]).tobytes()
        if content in seen:
            repeated.append(int(column))
        seen.add(content)
    return np.flatnonzero(constant).tolist(), repeated


@check("note", "Constant or repeated features")
def constant_features(context: AnalysisContext) -> Finding | None:
    """Look at what the winner's classifier is given, or at the columns of a table."""
    winner = context.winning_result
    if winner is None:
        return None
    X = np.asarray(context.dataset.X_train[:MAX_ROWS])
    what = "columns of the data"
    if context.dataset.image_shape is not None:
        if winner.features == "raw":
            return None  # the corners of digits are white, and that is not a fault
        for step in context.pipeline(winner)[:-1]:
            X = step.transform(X)
        X, what = np.asarray(X), f"features {winner.features!r}"
    constant, repeated = useless_columns(X)
    if not constant and not repeated:
        return None
    return Finding(
        sentence=(
            f"Of {X.shape[1]:,} {what}, {len(constant):,} are constant and {len(repeated):,} "
            f"repeat another one in {len(X):,} training rows."
        ),
        advice="Drop them: they cost time, and a repeated feature counts twice.",
        numbers={"constant": constant[:100], "repeated": repeated[:100], "columns": X.shape[1]},
    )


def earlier_looks(context: AnalysisContext) -> list[str]:
    """Return the keys of stored results on the same test rows that are not of this run."""
    mine = {result.key for result in (*context.results, *context.failed)}
    data, test = context.dataset.fingerprint, context.dataset.test_fingerprint
    return sorted(
        result.key
        for result in context.store.all_results()
        if result.ok
        and (result.data_fingerprint == data or result.test_fingerprint == test)
        and result.key not in mine
    )


@check("note", "Test rows that were scored before")
def test_reuse(context: AnalysisContext) -> Finding | None:
    """Count the results that earlier runs left in the folder."""
    earlier, now = len(earlier_looks(context)), len(context.results)
    if not earlier:
        return None
    return Finding(
        sentence=(
            f"The test rows were scored {earlier + now:,} times in this folder, {earlier:,} of "
            "them by candidates that are not in this report."
        ),
        advice=(
            "Report how often the test rows were scored: choices made after seeing their scores "
            "are not independent of them. Use new test rows; a new folder does not help."
        ),
        numbers={"earlier": earlier, "this_run": now},
    )
