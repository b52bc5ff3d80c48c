"""The interactive part of report.html: the test images that each number counts."""

from __future__ import annotations

import base64
import io
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitrec.analyses import ReportContext
from digitrec.evaluation.frames import Row
from digitrec.evaluation.metrics import Predictions
from digitrec.rendering.markdown import MISSING, percent
from digitrec.rendering.style import MAX_NAME_LENGTH
from digitrec.reporting.model_sections import most_frequent_errors, shown_mistakes

# Images that every model classifies correctly: enough to see what a class looks like. The others
# are all in the file.
MAX_RIGHT_IMAGES = 1000
# Bytes of the PNG file of all images; base64 adds a third. 10,000 MNIST images take 931 kB.
MAX_SPRITE_BYTES = 1_400_000
MAX_ROWS = 20_000  # answers of 23 models about as many rows take 0.5 MB
# Pixels; larger images are reduced by a whole factor.
MAX_IMAGE_SIDE = 96
SPRITE_COLUMNS = 100
TILE_SIDE = 56  # pixels of an image in a list, about; as in explorer.js
GREY_LEVELS = 16  # 4 bits a pixel: 44 % smaller than 8 bits on MNIST, and looks alike
# Classes up to which a matrix is shown whole; with more, its most frequent mistakes are listed.
MAX_MATRIX_CLASSES = 26
MAX_LISTED_MISTAKES = 40


@dataclass(frozen=True)
class Explorer:
    """The parts of a page on which the test images are explored.

    Attributes
    ----------
    section : str
        HTML with the controls and all data.
    graphics : dict of str to str
        HTML that stands in place of figures, by figure name: tables whose cells are buttons.
    """

    section: str
    graphics: dict[str, str]


def build_explorer(context: ReportContext) -> Explorer | None:
    """Return the explorer of a run; None where no model has stored predictions.

    Parameters
    ----------
    context : ReportContext
        Results, predictions and, where given, images. Without images the rows are
        named by their number.
    """
    found = _models(context)
    if not found:
        return None
    data, sprite = explorer_data(context)
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    packed = base64.b64encode(zlib.compress(text.encode("ascii"), 9)).decode()
    style = ""
    if sprite is not None:
        # A rule of CSS, so that all pictures share the one file, with and without JavaScript.
        source = base64.b64encode(sprite).decode()
        style = (
            f"<style>.digit {{ --width: {data['image']['width']}; "
            f"--height: {data['image']['height']}; --columns: {SPRITE_COLUMNS}; "
            f'background-image: url("data:image/png;base64,{source}"); }}</style>'
        )
    section = (
        '<section id="explorer" class="explorer" aria-labelledby="explorer-heading">\n'
        f'<h2 id="explorer-heading">Explore the test {context.noun}s</h2>\n'
        f"<p>{escape(_lead(data))}</p>\n"
        "<noscript><p>The explorer needs JavaScript.</p></noscript>\n"
        f'<div id="explorer-app"></div>\n{style}\n'
        f'<script type="text/plain" id="explorer-data">{packed}</script>\n</section>\n'
    )
    graphics = {}
    for index, (row, predictions) in enumerate(found):
        name = f"confusion_{row.shown.stem}"
        graphics[name] = _confusion_html(context, row, predictions, index)
        mistakes = _mistakes_html(context, predictions, data) if sprite is not None else ""
        if mistakes:
            graphics[f"mistakes_{row.shown.stem}"] = mistakes
    classes = _class_html(context, found)
    if classes:
        graphics["f1_by_class"] = classes
    return Explorer(section, graphics)


def explorer_data(context: ReportContext) -> tuple[dict[str, Any], bytes | None]:
    """Return what the explorer shows as a JSON-safe dict, and the images as one PNG file.

    Returns
    -------
    data : dict
        ``classes``; ``models`` (``label``, ``title``, ``features``, ``winner``,
        ``probabilities``, ``wrong``, ``answers`` and ``confidence``: one value for each row, a
        probability in 1/10,000 or a lead over the next class in 1/100); ``rows`` (numbers of
        test rows), ``truth``, ``totals`` (test rows of each class), ``n_test``, ``n_wrong``
        (rows that some model misread, whether in the file or not), ``noun`` (what a row is called)
        and ``image`` (``width``,
        ``height`` and ``columns`` of the sprite) or None.
    sprite : bytes or None
        The images of ``rows``, `SPRITE_COLUMNS` in a line; None without images.
    """
    found = _models(context)
    truth = np.asarray(found[0][1].y_true)
    images = context.images(found[0][1])
    wrong = np.array([predictions.y_pred != truth for _, predictions in found])
    is_misread: NDArray[np.bool_] = np.any(wrong, axis=0)
    misread = np.flatnonzero(is_misread)
    # The better the model, the more its mistakes matter where not all have room.
    misread = misread[np.argsort(wrong[:, misread].argmax(axis=0), kind="stable")]
    right = _right_rows(truth, ~is_misread, found[0][1].confidence)
    rows = np.concatenate([misread, right]).astype(np.intp)
    rows = rows[:MAX_ROWS]
    sprite, shape = None, None
    if images is not None and images.ndim == 3:
        rows = np.sort(rows[: _n_in_sprite(images, rows)])
        sprite, shape = make_sprite(images[rows])
    rows = np.sort(rows)
    models = []
    for row, predictions in found:
        confidence = predictions.confidence
        scale = 10_000 if predictions.has_probabilities else 100
        models.append(
            {
                "label": context.label(row),
                "title": " ".join(row.title.split()),  # as the table shows it
                "features": row.features,
                "winner": row.is_winner,
                "probabilities": predictions.has_probabilities,
                "wrong": int((predictions.y_pred != truth).sum()),
                "answers": predictions.y_pred[rows].tolist(),
                "confidence": None
                if confidence is None
                # Rounded down, so that 99.996 % does not read as certainty.
                else np.floor(np.nan_to_num(confidence[rows].astype(float)) * scale)
                .astype(int)
                .tolist(),
            }
        )
    data = {
        "classes": context.label_names,
        "models": models,
        "rows": rows.tolist(),
        "truth": truth[rows].tolist(),
        "totals": np.bincount(truth, minlength=len(context.label_names)).tolist(),
        "n_test": len(truth),
        "n_wrong": len(misread),
        "noun": context.noun,
        "image": None
        if shape is None
        else {"width": shape[1], "height": shape[0], "columns": SPRITE_COLUMNS},
    }
    return data, sprite


def make_sprite(images: NDArray[np.uint8]) -> tuple[bytes, tuple[int, int]]:
    """Return images as one PNG file, dark on light, and the shape of one image in it.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width)
        Pixel values, 0 (background) to 255 (ink).

    Returns
    -------
    content : bytes
        PNG of `GREY_LEVELS` levels, `SPRITE_COLUMNS` images in a line.
    shape : tuple of int
        ``(height, width)``; less than that of the images where a side exceeds `MAX_IMAGE_SIDE`.
    """
    from PIL import Image

    images = _reduced(images)
    n, height, width = images.shape
    lines = max(1, -(-n // SPRITE_COLUMNS))
    tiles = np.zeros((lines * SPRITE_COLUMNS, height, width), dtype=np.uint8)
    tiles[:n] = (images.astype(np.uint16) * (GREY_LEVELS - 1) + 127) // 255
    page = tiles.reshape(lines, SPRITE_COLUMNS, height, width).swapaxes(1, 2)
    picture = Image.fromarray(page.reshape(lines * height, SPRITE_COLUMNS * width)).convert("P")
    greys = [255 - round(255 * level / (GREY_LEVELS - 1)) for level in range(GREY_LEVELS)]
    picture.putpalette([value for grey in greys for value in (grey, grey, grey)])
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", bits=4, compress_level=9)
    return buffer.getvalue(), (height, width)


def _models(context: ReportContext) -> list[tuple[Row, Predictions]]:
    """Return the rows of the table whose predictions are known and about the same test rows."""
    found = [
        (row, context.predictions[row.shown.key])
        for row in context.ok_rows
        if row.shown.key in context.predictions
    ]
    return [
        (row, predictions)
        for row, predictions in found
        if len(predictions.y_true) and np.array_equal(predictions.y_true, found[0][1].y_true)
    ]


def _right_rows(
    truth: NDArray[np.integer], right: NDArray[np.bool_], confidence: NDArray | None
) -> NDArray[np.intp]:
    """Return rows that all models classify correctly: the least confident of each class first."""
    classes = np.unique(truth)
    room = max(1, MAX_RIGHT_IMAGES // max(1, len(classes)))
    generator = np.random.default_rng(0)
    chosen = []
    for label in classes:
        rows = np.flatnonzero(right & (truth == label))
        order = generator.permutation(len(rows))
        if confidence is not None:
            unsure = np.argsort(confidence[rows], kind="stable")[: room // 2]
            order = np.concatenate([unsure, order[~np.isin(order, unsure)]])
        chosen.append(rows[order[:room]])
    return np.concatenate(chosen)


def _reduced(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images with sides of at most `MAX_IMAGE_SIDE`, as means of square blocks."""
    n, height, width = images.shape
    factor = -(-max(height, width) // MAX_IMAGE_SIDE)
    if factor == 1:
        return images
    pad = ((0, 0), (0, -height % factor), (0, -width % factor))
    padded = np.pad(images, pad, mode="edge")
    blocks = padded.reshape(n, padded.shape[1] // factor, factor, padded.shape[2] // factor, factor)
    return blocks.mean(axis=(2, 4)).round().astype(np.uint8)


def _n_in_sprite(images: NDArray[np.uint8], rows: NDArray[np.intp]) -> int:
    """Return how many of the first rows make a sprite of at most `MAX_SPRITE_BYTES`."""
    n_shown = len(rows)
    while n_shown > 1:
        size = len(make_sprite(images[rows[:n_shown]])[0])
        if size <= MAX_SPRITE_BYTES:
            break
        n_shown = max(1, int(0.95 * n_shown * MAX_SPRITE_BYTES / size))
    return n_shown


def _lead(data: dict[str, Any]) -> str:
    n_models = len(data["models"])
    answers = np.array([model["answers"] for model in data["models"]])
    wrong = (answers != np.array(data["truth"])).any(axis=0)
    n_wrong, n_right = int(wrong.sum()), int((~wrong).sum())
    who = "the model" if n_models == 1 else f"any of the {n_models} models"
    noun = data["noun"]
    which = f"All {n_wrong:,}" if n_wrong == data["n_wrong"] else f"{n_wrong:,} of the"
    if n_wrong < data["n_wrong"]:
        which += f" {data['n_wrong']:,}"
    n_others = data["n_test"] - data["n_wrong"]
    others = f"all {n_others:,} others"
    if n_right < n_others:
        others = (
            f"{n_right:,} of the {n_others:,} others: of each class those with the lowest "
            "confidence of the best model, and others drawn at random"
        )
    return (
        f"{which if data['n_wrong'] else 'No'} {noun}s that {who} misclassifies, and {others}. "
        "Click on a number in a "
        "confusion matrix, on a class in the chart of scores or on a model's button in the table "
        f"to see its {noun}s."
    )


def _confusion_html(context: ReportContext, row: Row, predictions: Predictions, index: int) -> str:
    """Return a confusion matrix as a table whose counts are buttons."""
    names, noun = context.label_names, context.noun
    n = len(names)
    counts = np.zeros((n, n), dtype=np.int64)
    np.add.at(counts, (predictions.y_true, predictions.y_pred), 1)
    totals = np.maximum(counts.sum(axis=1), 1)
    label = context.label(row)
    n_wrong = int(counts.sum() - np.trace(counts))
    caption = f"Confusion matrix of {label}: {n_wrong:,} of {counts.sum():,} test {noun}s wrong"
    if n > MAX_MATRIX_CLASSES:
        return _mistake_list(names, counts, index, caption, noun)
    worst = max(0.03, float(((counts - np.diag(np.diag(counts))) / totals[:, None]).max()))
    lines = []
    for true in range(n):
        cells = []
        for answer in range(n):
            count = int(counts[true, answer])
            if not count:
                cells.append("<td></td>")
                continue
            share = count / totals[true]
            hit = true == answer
            # The square root keeps single errors visible next to frequent ones.
            strength = 100 * share if hit else 100 * np.sqrt(share / worst)
            tip = (
                f"{names[true]} as {names[answer]}: {count:,} of {totals[true]:,} {noun}s, "
                f"{100 * share:.{1 if share >= 0.001 else 2}f} %"
            )
            cells.append(
                f'<td class="{"hit" if hit else "miss"}" style="--part:{min(strength, 100):.0f}%">'
                f"{_button(index, true, answer, f'{count:,}', tip)}</td>"
            )
        lines.append(f'<tr><th scope="row">{escape(names[true])}</th>{"".join(cells)}</tr>')
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return _wrapped(
        caption,
        f'<table class="matrix{_long(names)}"><caption>{escape(caption)}. Rows: true class; '
        f"columns: answer.</caption><thead><tr><td></td>{heads}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>",
    )


def _mistake_list(
    names: Sequence[str], counts: NDArray, index: int, caption: str, noun: str
) -> str:
    """Return the most frequent mistakes as a table, for more classes than a matrix can show."""
    lines = []
    for true, answer, count in most_frequent_errors(counts, MAX_LISTED_MISTAKES):
        tip = f"{names[true]} as {names[answer]}: {count:,} {noun}s"
        share = 100 * count / counts[true].sum()
        lines.append(
            f"<tr><td>{escape(names[true])}</td><td>{escape(names[answer])}</td>"
            f'<td class="number">{_button(index, true, answer, f"{count:,}", tip)}</td>'
            f'<td class="number">{share:.1f}</td></tr>'
        )
    if not lines:
        return _wrapped(caption, f"<p>{escape(caption)}.</p>")
    return _wrapped(
        caption,
        f"<table><caption>{escape(caption)}. Its most frequent mistakes:</caption><thead><tr>"
        f'<th scope="col">true class</th><th scope="col">answer</th><th scope="col">{noun}s</th>'
        f'<th scope="col">% of the class</th></tr></thead><tbody>{"".join(lines)}</tbody></table>',
    )


def _mistakes_html(context: ReportContext, predictions: Predictions, data: dict[str, Any]) -> str:
    """Return the mistakes that the report shows as buttons with their images from the sprite.

    Empty where the sprite has no room for one of them.
    """
    place_of = {row: place for place, row in enumerate(data["rows"])}
    chosen, captions = shown_mistakes(context, predictions)
    if any(int(row) not in place_of for row in chosen):
        return ""
    items = []
    for row, caption in zip(chosen, captions, strict=True):
        place = place_of[int(row)]
        line, column = divmod(place, SPRITE_COLUMNS)
        text = "<br>".join(escape(part) for part in caption.split("\n"))
        items.append(
            f'<li><button type="button" data-image="{place}"><span class="digit" '
            f'style="--x:{column};--y:{line};--scale:{_scale(data["image"], TILE_SIDE)}"></span>'
            f"{text}</button></li>"
        )
    return f'<ul class="tiles mistakes">{"".join(items)}</ul>\n'


def _scale(image: dict[str, int], side: int) -> int:
    """Return the whole factor that enlarges an image to about a number of pixels."""
    return max(1, round(side / max(image["width"], image["height"])))


def _class_html(context: ReportContext, found: Sequence[tuple[Row, Predictions]]) -> str:
    """Return the F1 score of each model on each class as a table whose scores are buttons."""
    names = context.label_names
    index_of = {row.shown.key: index for index, (row, _) in enumerate(found)}
    rows = [
        row
        for row in context.model_rows
        if row.shown.key in index_of and len(row.shown.confusion) == len(names)
    ]
    if not rows:
        return ""
    scores = np.array([row.shown.by_class.f1 for row in rows])
    support = rows[0].shown.by_class.support
    lowest = min(0.99, float(scores[:, support > 0].min(initial=1.0)))
    lines = []
    for label, name in enumerate(names):
        cells = []
        for place, row in enumerate(rows):
            score = scores[place, label]
            if not support[label]:
                cells.append(f'<td class="number">{MISSING}</td>')
                continue
            tip = f"{context.label(row)} on {name}: F1 {percent(score)} %"
            part = 100 * np.sqrt(max(0.0, 1 - score) / (1 - lowest))
            button = _button(index_of[row.shown.key], label, None, percent(score), tip)
            cells.append(f'<td class="miss" style="--part:{min(part, 100):.0f}%">{button}</td>')
        lines.append(
            f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}'
            f'<td class="number">{support[label]:,}</td></tr>'
        )
    labels = [context.label(row) for row in rows]
    heads = "".join(f'<th scope="col">{escape(label)}</th>' for label in labels)
    caption = "F1 score of each model on each class, %"
    return _wrapped(
        caption,
        f'<table class="matrix wide{_long([*names, *labels])}"><caption>{caption}</caption>'
        f'<thead><tr><th scope="col">class</th>{heads}'
        f'<th scope="col">test {context.noun}s</th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>",
    )


def _button(model: int, true: int, answer: int | None, text: str, tip: str) -> str:
    wanted = "" if answer is None else f' data-answer="{answer}"'
    return (
        f'<button type="button" class="explore" data-model="{model}" data-true="{true}"{wanted} '
        f'aria-label="{escape(tip)}">{text}</button>'
    )


def _long(names: Sequence[str]) -> str:
    """Return the class of a table whose heads must break."""
    return " long" if max(map(len, names), default=0) > MAX_NAME_LENGTH else ""


def _wrapped(label: str, table: str) -> str:
    lead = f'<div class="table" role="region" aria-label="{escape(label)}" tabindex="0">'
    return f"{lead}{table}</div>\n"
