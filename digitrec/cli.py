"""The command ``digitrec``: parse arguments, call the library, print.

Imports are inside the commands, so that ``digitrec --help`` answers at once.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digitrec.commands.compare_command import compare_models
from digitrec.commands.entry import run_command
from digitrec.errors import DigitrecError

if TYPE_CHECKING:
    from digitrec.datasets import Dataset

app = typer.Typer(
    name="digitrec",
    help="Compare classical models on handwritten digits and use the winner on real images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(value: bool) -> None:
    if value:
        from digitrec._environment import digitrec_version

        typer.echo(f"digitrec {digitrec_version()}")
        raise typer.Exit


@app.callback()
def digitrec(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Compare classical models on handwritten digits and use the winner on real images."""


app.command(name="compare")(compare_models)

Quiet = Annotated[bool, typer.Option("--quiet", help="Print results only.")]
Seed = Annotated[int, typer.Option("--random-state", min=0, max=2**32 - 1, help="Seed.")]
MaxTrain = Annotated[
    int | None, typer.Option(min=20, help="Use at most this many training rows (stratified).")
]
DatasetName = Annotated[str, typer.Option(help="Name of a dataset, or path of a file or folder.")]


def _show_messages(context: typer.Context, quiet: bool = False) -> None:
    """Print messages to standard error until the command ends, unless quiet."""
    from digitrec._messages import messages_to

    if not quiet:
        show = functools.partial(typer.echo, err=True)
        context.with_resource(messages_to(show))


def _table(rows: list[list[Any]], headers: list[str]) -> str:
    from tabulate import tabulate

    return tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True)


def _number_or_path(text: str | None) -> float | str | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


@app.command()
def predict(
    images: Annotated[list[str], typer.Argument(help="Image files, folders or patterns.")],
    model: Annotated[
        Path | None, typer.Option(help="Saved model; default: the default recogniser.")
    ] = None,
    read: Annotated[
        bool, typer.Option("--read", help="Read all digits of each image, not one.")
    ] = False,
    format: Annotated[str, typer.Option(help="text, json or csv.")] = "text",
    overlay: Annotated[
        Path | None, typer.Option(help="Folder for pictures with boxes, digits and confidences.")
    ] = None,
    threshold: Annotated[
        str | None,
        typer.Option(help="Least confidence to accept a digit, or a file of digitrec calibrate."),
    ] = None,
    crop: Annotated[
        bool,
        typer.Option("--crop", help="Each image is cut out around one digit, neighbours and all."),
    ] = False,
    expected: Annotated[
        int | None, typer.Option(help="Number of digits; this and the options below imply --read.")
    ] = None,
    pattern: Annotated[
        str | None, typer.Option(help="What the number looks like: ddddd, dd.dd.dddd, [01]d{3}.")
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(help="Check digit: luhn, ean, isbn, isbn10, isbn13, mod11 or mod97."),
    ] = None,
    allowed: Annotated[
        str | None, typer.Option(help="Possible numbers: a,b,c or a file with one a line.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Part to read, in pixels: left,top,right,bottom.")
    ] = None,
    rotation: Annotated[
        float | None, typer.Option(help="Degrees to turn the image counter-clockwise first.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Recognise the digit of each image, or read all its digits.

    With the options on the number, the most probable reading that fits is printed with its
    probability and the runner-up.

    The exit code is 1 where an image could not be read; the others are still done.
    """
    from digitrec.inference.command import parse_allowed, parse_region, predict_paths

    raise typer.Exit(
        predict_paths(
            images,
            model=model,
            read=read,
            crop=crop,
            known={
                "expected": expected,
                "pattern": pattern,
                "check": check,
                "allowed": None if allowed is None else parse_allowed(allowed),
                "region": None if region is None else parse_region(region),
                "rotation": rotation,
            },
            format=format,
            overlay_dir=overlay,
            threshold=_number_or_path(threshold),
            quiet=quiet,
        )
    )


@app.command()
def calibrate(
    images: Annotated[
        Path, typer.Argument(help="Labelled images: folders 0 to 9, or a labels.csv next to them.")
    ],
    error: Annotated[
        float, typer.Option(help="Largest share of wrong digits among those accepted.")
    ] = 0.01,
    confidence: Annotated[float, typer.Option(help="Confidence of the bound.")] = 0.95,
    output: Annotated[Path, typer.Option(help="Threshold file to write.")] = Path("threshold.json"),
    figure: Annotated[
        Path | None, typer.Option(help="PNG of the curve; default: next to the output.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Saved model; default: the default recogniser.")
    ] = None,
    unlabelled: Annotated[
        Path | None,
        typer.Option(help="Folder of images, from which some are suggested to be labelled next."),
    ] = None,
    crop: Annotated[
        bool, typer.Option("--crop", help="Recognise as digitrec predict --crop does.")
    ] = False,
) -> None:
    """Choose a threshold whose error is bounded, on labelled images of your own.

    The exit code is 1 where there are too few images, or too many mistakes, to guarantee a bound.
    """
    from digitrec.inference.calibrate import calibrate_command

    raise typer.Exit(
        calibrate_command(
            images,
            error=error,
            level=confidence,
            output=output,
            figure=figure,
            model=model,
            unlabelled=unlabelled,
            context="crop" if crop else None,
        )
    )


@app.command()
def train(
    context: typer.Context,
    dataset: DatasetName = "mnist",
    model: Annotated[str, typer.Option(help="Name of the model; see: digitrec models.")] = "svm",
    features: Annotated[
        str | None, typer.Option(help="Feature set.", show_default="by the data")
    ] = None,
    output: Annotated[Path, typer.Option(help="Model file to write.")] = Path("model.joblib"),
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="model.parameter=value, repeatable.")
    ] = None,
    max_train: MaxTrain = None,
    all_rows: Annotated[
        bool, typer.Option("--all-rows", help="Fit on the test rows too: none stay to score on.")
    ] = False,
    random_state: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train one model on a dataset and save it."""
    from digitrec.commands.options import parse_settings
    from digitrec.datasets import load_dataset
    from digitrec.errors import check_choice
    from digitrec.models import MODELS
    from digitrec.persistence import check_model_path, save_model
    from digitrec.training import train_model, with_all_rows

    check_model_path(output)
    overrides = parse_settings(set_ or [])
    spec = MODELS[check_choice("model", model, MODELS)]
    if stray := sorted(set(overrides) - {model}):
        raise DigitrecError(f"--set names {', '.join(stray)}, but the model is {model!r}")
    if model in overrides:
        spec.build(parameters=overrides[model])  # a wrong parameter is an error before the work
    _show_messages(context, quiet)
    data = load_dataset(dataset, max_train=max_train, random_state=random_state)
    _warn(data)
    if all_rows:
        data = with_all_rows(data)
    try:
        training = train_model(
            data,
            model,
            features,
            parameters=overrides.get(model),
            random_state=random_state,
        )
    except (TypeError, ValueError) as error:
        if isinstance(error, DigitrecError) or not overrides:
            raise
        # A value that the model does not take shows when it is fitted.
        reason = str(error).partition("\n")[0]
        raise DigitrecError(
            f"cannot fit {model!r} with {', '.join(set_ or [])}: {reason}"
        ) from error
    save_model(training.pipeline, output, training.metadata)
    low, high = training.held_out.accuracy_interval
    typer.echo(
        f"validation accuracy {100 * training.held_out.accuracy:.2f} % (95 % interval "
        f"{100 * low:.2f}–{100 * high:.2f} %, {len(training.held_out.y_true):,} rows); "
        f"final fit on {len(data.y_train):,} rows in {training.fit_seconds:.1f} s"
    )
    typer.echo(f"model written to {output}")


@app.command()
def evaluate(
    context: typer.Context,
    model: Annotated[Path, typer.Option(help="Saved model.")],
    dataset: DatasetName = "mnist",
    part: Annotated[
        str | None,
        typer.Option(
            help="Rows to score: test, train or all. Default: test; all of a file that the "
            "training has not seen."
        ),
    ] = None,
    output_dir: Annotated[
        Path | None, typer.Option(help="Folder for evaluation.md, .json and the figure.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Print and write accuracy, classification report and confusion matrix of a saved model."""
    from digitrec.datasets import load_dataset
    from digitrec.persistence import load_model, read_metadata
    from digitrec.reporting.evaluation import render_evaluation, write_evaluation
    from digitrec.training import check_input, choose_part, evaluate_model, was_seen

    loaded, metadata = load_model(model), read_metadata(model)
    _show_messages(context, quiet)
    data = load_dataset(dataset)
    _warn(data)
    check_input(metadata, data)
    part = part or choose_part(metadata, data)
    metrics = evaluate_model(loaded, data, part=part).metrics(len(data.label_names))
    note = ""
    if was_seen(metadata, data, part):
        note = "The model was trained on these rows: this is not an estimate for new ones."
        typer.echo(f"warning: {note}", err=True)
    title = f"{metadata.title or model.name} on {data.name}, {part} rows"
    typer.echo(render_evaluation(title, metrics, data.label_names, note=note))
    suffix = "" if part == "test" else f"-{part}"
    folder = output_dir or model.parent / f"{model.stem}-on-{data.name}{suffix}"
    write_evaluation(folder, title, metrics, data.label_names, part=part, note=note)
    typer.echo(f"written to {folder}")


@app.command()
def submit(
    context: typer.Context,
    test_csv: Annotated[Path, typer.Argument(help="Unlabelled CSV: pixel0 … pixel783.")],
    submission: Annotated[Path, typer.Argument(help="CSV to write: ImageId,Label.")],
    model: Annotated[Path, typer.Option(help="Saved model.")],
) -> None:
    """Label the rows of a Kaggle test file and write a submission."""
    from digitrec.persistence import load_model, read_metadata
    from digitrec.training import write_submission

    loaded = load_model(model)
    _show_messages(context)
    n_rows = write_submission(loaded, test_csv, submission, read_metadata(model).label_names)
    typer.echo(f"{n_rows:,} rows written to {submission}")


@app.command()
def export(
    context: typer.Context,
    model: Annotated[Path, typer.Argument(help="Saved model: a .joblib file.")],
    format: Annotated[str, typer.Option(help="onnx or skops.")] = "onnx",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default: next to MODEL.")
    ] = None,
    check_rows: Annotated[
        int, typer.Option(min=1, help="Test images that both models are compared on.")
    ] = 10_000,
    tolerance: Annotated[
        float, typer.Option(min=0, help="Largest difference of a probability.")
    ] = 1e-4,
    quiet: Quiet = False,
) -> None:
    """Write a saved model as ONNX or skops; kept only where it answers the same."""
    from digitrec.persistence import export_model

    _show_messages(context, quiet)
    done = export_model(
        model,
        output,
        format=format,
        check_rows=check_rows,
        tolerance=tolerance,
    )
    typer.echo(str(done.parity))
    typer.echo(f"model written to {done.path} ({done.n_bytes / 1e6:.1f} MB)")


@app.command()
def datasets() -> None:
    """List the datasets that digitrec knows."""
    from digitrec.datasets import DATASETS

    rows = [
        [s.name, f"{s.n_train:,}/{s.n_test:,}", "x".join(map(str, s.image_shape)), s.title]
        for s in DATASETS.values()
    ]
    typer.echo(_table(rows, ["name", "train/test", "pixels", "what it is"]))
    typer.echo(
        "\nA path works too: a folder with one folder of images a class, a folder of IDX files, a "
        "table with label,pixel0,…, .npz, .mat or .parquet."
    )


@app.command()
def models() -> None:
    """List the models that digitrec compares."""
    from digitrec.models import DEFAULT_MODELS, MODELS

    rows = [
        [
            spec.name,
            "default" if spec.name in DEFAULT_MODELS else "",
            spec.summary
            if spec.is_available
            else f"unavailable; run: pip install 'digitrec[{spec.extra}]'",
        ]
        for spec in MODELS.values()
    ]
    typer.echo(_table(rows, ["name", "", "what it does"]))


recognizer_app = typer.Typer(help="Train a recogniser of your own.", no_args_is_help=True)
app.add_typer(recognizer_app, name="recognizer")


@recognizer_app.command("train")
def train_own_recognizer(
    context: typer.Context,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Weights to write, .npz; facts go next to them.")
    ] = Path("recognizer.npz"),
    dataset: Annotated[
        list[str] | None,
        typer.Option(help="Dataset of 28x28 digits first, then others; default: what is there."),
    ] = None,
    fonts: Annotated[
        Path | None, typer.Option(help="Folder of fonts, for more letters and digits.")
    ] = None,
    max_train: MaxTrain = None,
    random_state: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train the networks that `predict --model FILE.npz` and `serve` read images with."""
    from digitrec.datasets import load_dataset
    from digitrec.inference.network_training import find_fonts, train_recognizer

    _show_messages(context, quiet)
    facts = train_recognizer(
        output,
        sets=[load_dataset(name) for name in dataset] if dataset else None,
        fonts=find_fonts(fonts) if fonts else (),
        max_rows=max_train,
        random_state=random_state,
    )
    right = facts.held_out.digit.digits_read_right
    typer.echo(f"{output}: {100 * right:.2f} % of {facts.held_out.n} images held out")


@app.command()
def serve(
    model: Annotated[
        list[Path] | None,
        typer.Option(help="Saved model, or the folder of a run; repeatable."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    root_path: Annotated[
        str, typer.Option(help="Path under which a proxy offers the service, such as /digits.")
    ] = "",
    forwarded_allow_ips: Annotated[
        list[str] | None,
        typer.Option(help="Address of a proxy whose X-Forwarded headers hold; repeatable; or *."),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(help="Origin whose pages may use the service; repeatable; or *."),
    ] = None,
    keep_alive: Annotated[
        int, typer.Option(min=1, help="Seconds to keep idle connections; more than a proxy does.")
    ] = 75,
    threshold: Annotated[
        str | None,
        typer.Option(help="Least confidence to accept a digit, or a file of digitrec calibrate."),
    ] = None,
) -> None:
    """Serve predictions over HTTP, with a page to draw on."""
    from digitrec.serving import Settings
    from digitrec.serving import serve as run_server

    settings = Settings(
        root_path=root_path,
        forwarded_allow_ips=tuple(forwarded_allow_ips or ()),
        cors_origins=tuple(cors_origin or ()),
        keep_alive_seconds=keep_alive,
        threshold=_number_or_path(threshold),
    )
    run_server(model or [], host=host, port=port, workers=workers, settings=settings)


def _warn(data: Dataset) -> None:
    for warning in data.warnings:
        typer.echo(f"warning: {warning}", err=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    run_command(app, arguments)


if __name__ == "__main__":
    main()
