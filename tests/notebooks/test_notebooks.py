"""Every notebook runs from top to bottom, and is committed with its outputs."""

import json
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")
nbclient = pytest.importorskip("nbclient")

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# Fewer rows and fits than the committed outputs are of: the same cells run.
SMALLER = {
    'load_dataset("mnist_5k")': 'load_dataset("mnist_5k", max_train=400)',
    "max_train=2000": "max_train=400",
    "seeds=3": "seeds=1",
    "RandomForestClassifier(200)": "RandomForestClassifier(20)",
}
# What a notebook has defined is forgotten before the next; `%reset` would break worker processes.
REMEMBER = "_kept = {*globals(), '_kept', '_name'}"
FORGET = "for _name in {*globals()} - _kept: del globals()[_name]"


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def pictures(notebook):
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    return [kind for output in outputs for kind in output.get("data", ()) if "image/" in kind]


def test_there_are_notebooks():
    assert [path.name[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04"]
    sources = "".join(path.read_text(encoding="utf-8") for path in NOTEBOOKS)
    assert all(json.dumps(text)[1:-1] in sources for text in SMALLER)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_committed(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in code_cells(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    assert len(pictures(notebook)) >= 3
    assert not [o for c in code_cells(notebook) for o in c.outputs if o.output_type == "error"]
    assert path.stat().st_size < 600_000
    text = path.read_text(encoding="utf-8")
    assert "/tmp/" not in text and "/home/" not in text


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_notebooks_run(tmp_path, monkeypatch):
    """In one process, which loads the libraries once, each without the names of those before."""
    monkeypatch.setenv("DIGITREC_DATA", str(tmp_path))
    notebooks = [nbformat.read(path, as_version=4) for path in NOTEBOOKS]
    committed = [len(pictures(notebook)) for notebook in notebooks]
    whole = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(REMEMBER)])
    for notebook in notebooks:
        for cell in code_cells(notebook):
            for text, smaller in SMALLER.items():
                cell.source = cell.source.replace(text, smaller)
        whole.cells += [nbformat.v4.new_code_cell(FORGET), *code_cells(notebook)]
    client = nbclient.NotebookClient(
        whole,
        timeout=500,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
    )
    client.execute()
    assert [len(pictures(notebook)) for notebook in notebooks] == committed
