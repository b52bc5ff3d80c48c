"""Sections on how to use the winner and how everything was measured."""

from __future__ import annotations

from collections.abc import Sequence

from digitrec.analyses import ReportContext
from digitrec.evaluation.result import render_config
from digitrec.rendering.markdown import code, code_block, escape, seconds, table
from digitrec.rendering.section import Content, Section

_COLUMNS = (
    (
        "validation accuracy",
        "share of the validation rows predicted correctly by the model fitted on the training rows "
        "alone; it ranks the models and chooses the winner",
    ),
    (
        "test accuracy, test error",
        "share of the test rows predicted correctly and wrongly by the model refitted on training "
        "and validation rows; scored once",
    ),
    (
        "95 % interval",
        "Wilson's score interval of the test accuracy: the uncertainty of the accuracy from the "
        "number of test rows; with several seeds, the mean of their intervals",
    ),
    ("macro F1", "F1 score averaged over the classes, each with equal weight"),
    (
        "log loss",
        "mean negative log of the probability given to the true class; only for models that give "
        "probabilities",
    ),
    ("fit", "wall time of fitting on training and validation features"),
    ("predict", "wall time of predicting all test rows from features, in one warm batch"),
    ("latency p50", "median time from one raw row to its label, features included"),
    ("size", "size of the saved pipeline, preprocessing included; 1 MB is 1,000,000 bytes"),
)


def loading_section(context: ReportContext) -> Content | None:
    """How to use the saved winner from Python and from the command line."""
    if context.run.winning_result is None:
        return None
    shape = context.run.dataset.image_shape
    path = f"{context.location or 'reports'}/best_model.joblib"
    if shape is None:
        what, rows = "rows", f"rows of shape (n, {context.run.dataset.n_columns})"
    else:
        n_pixels = shape[0] * shape[1]
        what, rows = "raw pixels", f"raw pixels 0–255, shape (n, {n_pixels}), ink is high"
    python = (
        f"import joblib\n\nmodel = joblib.load({path!r})\nlabels = model.predict(X)  # X: {rows}"
    )
    parts = [
        "## Use the winner",
        f"The saved pipeline includes the preprocessing and takes {what}; only digitrec "
        "needs to be installed.",
        code_block(python, "python"),
        "`digitrec.load_model` does the same, and checks the file against the checksum in "
        "`best_model.joblib.json` first. A joblib file runs code when it is loaded: load only "
        "files that you made or trust.",
    ]
    if shape is not None and tuple(shape) == (28, 28):
        parts += [
            "From the command line, on an image of any size:",
            code_block(f"digitrec predict IMAGE --model {path}", "sh"),
        ]
    return Content.of(*parts)


def method_section(context: ReportContext) -> Content:
    """Command, data, hardware, versions, and the meaning of each column."""
    run = context.run
    data = run.dataset
    parts = ["## Method", "How were these results measured?"]
    if run.command:
        parts.append(code_block(run.command, "sh"))
    facts = [
        ("data", f"{escape(data.name)}, {escape(data.source)}"),
        ("licence of the data", escape(data.license)),
        ("fingerprint of the data", code(data.fingerprint)),
        ("rows", _splits(context)),
        ("seeds", ", ".join(sorted({str(result.random_state) for result in run.results}, key=int))),
        ("features, all rows", _feature_seconds(context)),
        ("hardware", _first([_hardware(result.hardware) for result in run.results])),
        ("versions", _first([_versions(result.versions) for result in run.results])),
        ("threads per job", _first([str(result.n_threads) for result in run.results])),
        ("whole run", f"{seconds(run.total_seconds)} s"),
        ("made", escape(run.created_at)),
    ]
    parts.append(table(["", ""], [[name, value] for name, value in facts if value], "ll"))
    parts.append(
        "Preprocessing is fitted on the training rows only. The validation rows rank the "
        "models; each model is then refitted on training and validation rows and scored on the "
        "test rows once. Failed jobs stay in the table with the reason."
    )
    parts.append("\n".join(f"- **{name}**: {text}" for name, text in _COLUMNS))
    parts.append("The same figures as data: [results.csv](results.csv), results.json.")
    return Content.of(*parts)


def _splits(context: ReportContext) -> str:
    if not context.run.results:
        return ""
    result = context.run.results[0]
    shape = context.run.dataset.image_shape
    size = f"{context.run.dataset.n_columns} columns"
    if shape is not None:
        size = f"{shape[0]}x{shape[1]} pixels"
    return (
        f"{result.n_train:,} training, {result.n_validation:,} validation, "
        f"{result.n_test:,} test; {size}"
    )


def _feature_seconds(context: ReportContext) -> str:
    found: dict[str, float] = {}
    for result in context.run.results:
        if result.feature_seconds is not None:
            found[result.features] = max(result.feature_seconds, found.get(result.features, 0.0))
    return ", ".join(f"{escape(name)} {seconds(value)} s" for name, value in found.items())


def _hardware(hardware: dict[str, object]) -> str:
    names = {"cores": "{} cores", "memory_gib": "{} GiB"}
    return ", ".join(
        escape(names.get(key, "{}").format(value)) for key, value in hardware.items() if value
    )


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(escape(f"{name} {version}") for name, version in versions.items())


def _first(values: Sequence[str]) -> str:
    """Return the distinct values in order, parted by semicolons."""
    return "; ".join(dict.fromkeys(value for value in values if value))


def configuration_section(context: ReportContext) -> Content | None:
    """Show the options that repeat the run, as a file; none do where it had objects of a caller."""
    text = render_config(context.run.config)
    if not text or None in context.run.config.values():
        return None
    lead = "Saved as `run.toml`, this repeats the run with `digitrec compare --config run.toml`:"
    return Content.of("## Configuration", lead, code_block(text, "toml"))


SECTIONS = (
    Section("loading", loading_section, 200),
    Section("method", method_section, 210),
    Section("configuration", configuration_section, 220),
)
