"""The rule of invalidation: what changes a key, and what does not."""

import importlib.metadata
import importlib.util
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

from digitrec import _code
from digitrec._code import cache_key, code_facts, describe_value
from digitrec.models import MODELS
from digitrec.preprocessing import FEATURES, build_features


@pytest.fixture
def edit(monkeypatch):
    """Return a function that lets one module of digitrec read as if a line were added to it."""

    def add_line(name):
        read = Path.read_bytes
        monkeypatch.setattr(
            Path, "read_bytes", lambda path: read(path) + b"\nX = 1\n" * (path.stem == name)
        )

    return add_line


@pytest.mark.parametrize(
    ("model", "module", "changes"),
    [
        ("virtual_svm", "distorted", True),
        ("augmented_mlp", "augmentation", True),
        ("augmented_mlp", "_warping", True),
        ("cnn", "_images", True),
        ("svm", "_classes", True),
        ("svm", "distorted", False),
        ("random_forest", "kernel_svm", False),
        ("lda", "registry", False),
    ],
)
def test_a_line_of_a_module_that_a_model_is_made_of_counts(edit, model, module, changes):
    estimator = MODELS[model].build(0)
    before = cache_key({}, estimator)
    edit(module)
    assert (cache_key({}, estimator) != before) == changes


@pytest.mark.parametrize("module", ["_images", "scaling", "deskew", "gradients", "components"])
def test_features_count_the_modules_that_they_are_made_of(edit, module):
    pipeline = build_features("gradients", (8, 8))
    before = cache_key({}, pipeline)
    edit(module)
    assert cache_key({}, pipeline) != before


def test_every_registered_thing_knows_its_own_module():
    for spec in MODELS.values():
        estimator = spec.build(0)
        module = type(estimator).__module__
        if module.startswith("digitrec"):
            assert module in code_facts(estimator)["modules"]
    for spec in FEATURES.values():
        steps = [step for _, step in spec.fixed_steps((8, 8), None)]
        assert {type(step).__module__ for step in steps} <= set(code_facts(*steps)["modules"])


@pytest.mark.parametrize(
    ("model", "library"), [("lda", "scikit-learn"), ("lda", "numpy"), ("cnn", "keras")]
)
def test_the_version_of_a_library_counts(monkeypatch, model, library):
    estimator = MODELS[model].build(0)
    before = cache_key({}, estimator)
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata,
        "version",
        lambda name: "99.0" if name == library else version(name),
    )
    _code._version.cache_clear()
    try:
        assert cache_key({}, estimator) != before
    finally:
        _code._version.cache_clear()


def test_a_parameter_counts():
    keys = {cache_key({"parameters": value}, "digitrec.errors") for value in (1, 1.5, "1", [1])}
    assert len(keys) == 4


def test_the_key_is_the_same_in_another_process():
    script = (
        "from digitrec._code import cache_key\n"
        "from digitrec.models import MODELS\n"
        "print(cache_key({'a': 1}, MODELS['virtual_svm'].build(0)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == cache_key({"a": 1}, MODELS["virtual_svm"].build(0))


def test_modules_of_the_user_are_followed(tmp_path, monkeypatch):
    (tmp_path / "their_helper.py").write_text("STEP = 1\n")
    (tmp_path / "their_model.py").write_text("import their_helper\nclass Model:\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import their_model

    before = cache_key({}, their_model.Model)
    assert set(code_facts(their_model.Model)["modules"]) == {"their_helper", "their_model"}
    (tmp_path / "their_helper.py").write_text("STEP = 2\n")
    assert cache_key({}, their_model.Model) != before


def typed_in(source, name="Model"):
    """Return a class as a notebook has it: of a module without a file."""
    module = types.ModuleType("__main__")
    exec(source, module.__dict__)
    return getattr(module, name)


CLASS = """
def step(x):
    return x + 1

class Model:
    size = 3
    def fit(self, X):
        return step(X)
"""


def test_classes_without_a_file_count_by_what_they_do():
    base = cache_key({}, typed_in(CLASS))
    assert cache_key({}, typed_in("\n\n# moved\n" + CLASS)) == base
    for old, new in (("size = 3", "size = 4"), ("x + 1", "x + 2"), ("step(X)", "step(X) * 2")):
        assert cache_key({}, typed_in(CLASS.replace(old, new))) != base


def test_values_are_described_without_addresses():
    import numpy as np

    class Thing:
        def __init__(self, size):
            self.size = size

    assert describe_value(Thing(1)) == describe_value(Thing(1)) != describe_value(Thing(2))
    assert describe_value(np.arange(5000)) != describe_value(np.arange(5000)[::-1])
    assert describe_value(len) == "builtins.len"
    assert describe_value({3, 1}) == [1, 3]
    assert describe_value(float("nan")) == "nan"


def _modules():
    root = Path(_code.__file__).parent
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        yield ".".join(parts).removesuffix(".__init__"), path


def test_no_import_of_a_module_is_missed(monkeypatch):
    found = {}
    for parse in (_code._import_lines, lambda source: source):
        monkeypatch.setattr(_code, "_import_lines", parse)
        for name, path in _modules():
            _code._imports.cache_clear()
            imports = _code._imports(path.read_bytes(), name, path.name == "__init__.py")
            found.setdefault(name, []).append(set(imports))
    _code._imports.cache_clear()
    assert [name for name, (quick, whole) in found.items() if not whole <= quick] == []
    # Text that looks like an import counts as one; the code of a model card has some.
    assert sum(quick != whole for quick, whole in found.values()) <= 1


def test_installed_libraries_have_a_version_without_being_imported():
    _, libraries = _code._closure(name for name, _ in _modules())
    installed = {name for name in libraries if importlib.util.find_spec(name)}
    assert {"sklearn", "markdown_it", "pandas"} <= installed
    known = importlib.metadata.packages_distributions()
    for name in installed:
        named = _code._DISTRIBUTIONS.get(name, (name,))
        assert {re.sub("[-_.]+", "-", found).lower() for found in known[name]} & {
            re.sub("[-_.]+", "-", found).lower() for found in named
        }, name
