"""A matplotlib figure as SVG with tooltips, and its values as a table."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from digitrec.rendering.style import BLUE, GREY, INK, ORANGE, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

POINTS_PER_INCH = 72  # the unit of matplotlib's SVG files
TARGET_RADIUS = 7.0  # points; a mark reacts a little outside of what is drawn
MAX_TABLE_ROWS = 400
DECIMALS = 2  # of coordinates in points; a screen's pixel is about half a point
_OUTLINED = "outlined"
# A circle as matplotlib writes it where each has its own size: from the lowest point in eight arcs.
_CIRCLE = re.compile(
    r'<path d="M (?P<x>[-\d.]+) (?P<low>[-\d.]+)\s+(?:C [-\d.\s]+){3}'
    r"C(?: [-\d.]+){5} (?P<high>[-\d.]+)\s+(?:C [-\d.\s]+){4}z\s*\""
)
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
# What stands for a character that no font of this machine has; browsers find their own fonts.
_NUMBERED = re.compile(r"\[U\+([0-9A-F]{4,6})\]")
# Drawn colours that follow the page's light or dark theme.
_THEME = {
    INK: "var(--ink)",
    "#000000": "var(--ink)",
    GREY: "var(--soft)",
    "#E4E7EB": "var(--grid)",
    "#FFFFFF": "var(--paper)",
    BLUE: "var(--mark)",
    ORANGE: "var(--mark-2)",
}


@dataclass(frozen=True)
class Mark:
    """One value of a chart.

    Attributes
    ----------
    panel : str
        Title of the axes, where there are several.
    series : str
        Label of the line that the value belongs to; empty without one.
    x, y : str
        Values as text: the name of a category, or a number.
    value : str
        Colour-coded value or interval; empty where there is none.
    box : tuple of float
        ``(left, top, width, height)`` of the area that shows the value, in points.
    """

    panel: str
    series: str
    x: str
    y: str
    value: str
    box: tuple[float, float, float, float]


def chart_html(figure: Figure, name: str, alt: str) -> str | None:
    """Return a figure as HTML: SVG with a value at each mark, and a table of the values.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        A chart. Its resolution is set to that of SVG files.
    name : str
        Unique in the page; ids within the SVG start with it.
    alt : str
        What the chart shows.

    Returns
    -------
    str or None
        None for a figure that shows pictures, or no marks with values: a PNG serves it better.
    """
    if any(_is_picture(axes, image) for axes in figure.axes for image in axes.images):
        return None
    _fix_cell_texts(figure)
    _name_outlined_texts(figure)
    svg = _render_svg(figure)
    marks = figure_marks(figure)
    if not marks:
        return None
    axis_names = _axis_names(figure)
    targets = "".join(_target(mark, axis_names) for mark in marks)
    svg = _adapted(svg, name, alt).replace("</svg>", f"<g>{targets}</g></svg>")
    html = (
        f'<figure><div class="chart-scroll" tabindex="0" role="region" aria-label="{escape(alt)}">'
        f"{svg}</div><details><summary>Values as a table</summary>{_table(marks, axis_names)}"
        "</details></figure>\n"
    )
    return _NUMBERED.sub(lambda match: chr(int(match[1], 16)), html)


def _fix_cell_texts(figure: Figure) -> None:
    """Give text on coloured cells colours that do not follow the theme, as the cells do not."""
    from matplotlib.colors import to_hex

    fixed = {INK.lower(): "#24292e", "#ffffff": "#fefefe", "#000000": "#010101"}
    for axes in figure.axes:
        for text in axes.texts if axes.images else ():
            color = to_hex(text.get_color())
            text.set_color(fixed.get(color, color))


def _name_outlined_texts(figure: Figure) -> None:
    """Leave outlines of text to the page's style; matplotlib draws their letters as paths."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if text.get_path_effects():
            text.set_path_effects([])
            text.set_gid(_OUTLINED)


@styled
def _render_svg(figure: Figure) -> str:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure.set_dpi(POINTS_PER_INCH)
    buffer = io.StringIO()
    # Text stays text, ids depend on the content only, and the page's background shows through.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "digitrec"}):
        FigureCanvasSVG(figure).print_svg(
            buffer, metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    return buffer.getvalue()


def figure_marks(figure: Figure) -> list[Mark]:
    """Return the values that a drawn figure shows: points, lines and coloured cells."""
    found = []
    several = len(figure.axes) > 1
    for axes in figure.axes:
        if axes.axison:
            title = axes.get_title(loc="left") or axes.get_title()
            panel = " ".join(title.split()) if several else ""
            found += [*_points(axes, panel), *_cells(axes, panel)]
    return found


def _points(axes: Axes, panel: str) -> Iterator[Mark]:
    """Yield the values of lines with more than two corners, and of scattered points."""
    from matplotlib.collections import PathCollection

    drawn: list[tuple[str, Any, Any]] = []
    for line in axes.lines:
        label = str(line.get_label())
        is_named = not label.startswith("_")
        marked = line.get_marker() not in ("None", "none", "", None)
        if line.get_transform().contains_branch(axes.transData) and (is_named or marked):
            drawn.append((label if is_named else "", line.get_xdata(), line.get_ydata()))
    for collection in axes.collections:
        if isinstance(collection, PathCollection):
            offsets = np.asarray(collection.get_offsets(), dtype=float)
            drawn.append(("", offsets[:, 0], offsets[:, 1]))
    texts = _texts_at(axes)
    for series, xs, ys in drawn:
        for x, y in zip(np.asarray(xs, float), np.asarray(ys, float), strict=True):
            if not (np.isfinite(x) and np.isfinite(y)):
                continue
            left, top = _place(axes, x, y)
            radius = TARGET_RADIUS
            yield Mark(
                panel,
                series or texts.get((x, y), ""),
                _text(axes.xaxis, x),
                _text(axes.yaxis, y),
                _interval(axes, x, y),
                (left - radius, top - radius, 2 * radius, 2 * radius),
            )


def _cells(axes: Axes, panel: str) -> Iterator[Mark]:
    """Yield the values of heat maps; an annotated cell gives its text."""
    texts = {(float(x), float(y)): text for (x, y), text in _texts_at(axes).items()}
    seen = set()
    for image in axes.images:
        values: Any = np.ma.asarray(image.get_array())
        for row in range(values.shape[0]):
            for column in range(values.shape[1]):
                value = values[row, column]
                if np.ma.is_masked(value) or not np.isfinite(value) or (row, column) in seen:
                    continue
                seen.add((row, column))
                left, top = _place(axes, column - 0.5, row - 0.5)
                right, bottom = _place(axes, column + 0.5, row + 0.5)
                yield Mark(
                    panel,
                    "",
                    _text(axes.xaxis, column),
                    _text(axes.yaxis, row),
                    texts.get((float(column), float(row)), f"{float(value):.4g}"),
                    (min(left, right), min(top, bottom), abs(right - left), abs(bottom - top)),
                )


def _texts_at(axes: Axes) -> dict[tuple[float, float], str]:
    """Return what is written in an axes by the point, in data coordinates, that it names."""
    found: dict[tuple[float, float], str] = {}
    for text in axes.texts:
        content = str(text.get_label()) or text.get_text().strip()
        x, y = getattr(text, "xy", None) or text.get_position()
        if content and np.isreal(x) and np.isreal(y):
            found.setdefault((float(x), float(y)), " ".join(content.split()))
    return found


def _interval(axes: Axes, x: float, y: float) -> str:
    """Return the ends of the bar that is drawn through a point; empty without one."""
    from matplotlib.collections import LineCollection

    for collection in axes.collections:
        if not isinstance(collection, LineCollection):
            continue
        for segment in collection.get_segments():
            corners = np.asarray(segment, dtype=float)
            if corners.shape != (2, 2):
                continue
            (x0, y0), (x1, y1) = corners
            if y0 == y1 == y and min(x0, x1) <= x <= max(x0, x1):
                return f"{_number(min(x0, x1))}–{_number(max(x0, x1))}"
            if x0 == x1 == x and min(y0, y1) <= y <= max(y0, y1):
                return f"{_number(min(y0, y1))}–{_number(max(y0, y1))}"
    return ""


def _is_picture(axes: Axes, image: Any) -> bool:
    """Tell a picture from a heat map, whose cells have whole numbers as their places."""
    height, width = np.shape(image.get_array())[:2]
    extent = tuple(np.round(image.get_extent(), 6))
    flat = np.ndim(image.get_array()) == 2
    return not (axes.axison and flat and extent == (-0.5, width - 0.5, height - 0.5, -0.5))


def _place(axes: Axes, x: float, y: float) -> tuple[float, float]:
    """Return where a point in data coordinates is in the SVG, in points from the top left."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    left, bottom = axes.transData.transform((x, y))
    return float(left), float(figure.bbox.height - bottom)


def _text(axis: Axis, value: float) -> str:
    """Return a value as its axis names it."""
    from matplotlib.ticker import FixedLocator

    if isinstance(axis.get_major_locator(), FixedLocator):
        for place, label in zip(axis.get_majorticklocs(), axis.get_ticklabels(), strict=False):
            if abs(place - value) < 1e-9:
                return " ".join(label.get_text().split())
    return _number(value)


def _number(value: float) -> str:
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if size < 1 else f"{value:.4g}"


def _axis_names(figure: Figure) -> tuple[str, str]:
    """Return what the axes of a figure are called, where all are called alike."""
    names = []
    for which in ("x", "y"):
        labels = {str(getattr(axes, f"get_{which}label")()) for axes in figure.axes if axes.axison}
        labels -= {""}
        text = labels.pop() if len(labels) == 1 else ""
        names.append(re.sub(r"\s*\(.*\)$", "", " ".join(text.split())))
    return names[0], names[1]


def _target(mark: Mark, axis_names: Sequence[str]) -> str:
    parts = [": ".join(part for part in (mark.panel, mark.series) if part)]
    parts += [
        f"{axis}: {value}" if axis else value
        for axis, value in zip(axis_names, (mark.x, mark.y), strict=True)
    ]
    parts.append(mark.value)
    tip = escape("\n".join(part for part in parts if part))
    left, top, width, height = mark.box
    return (
        f'<rect class="hit" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}" data-tip="{tip}"></rect>'
    )


def _table(marks: Sequence[Mark], axis_names: Sequence[str]) -> str:
    columns = [
        ("panel", "panel"),
        ("series", "series"),
        ("x", axis_names[0] or "column"),
        ("y", axis_names[1] or "row"),
        ("value", "value"),
    ]
    used = [(field, head) for field, head in columns if any(getattr(mark, field) for mark in marks)]
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for _, head in used)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(getattr(mark, field))}</td>" for field, _ in used) + "</tr>"
        for mark in marks[:MAX_TABLE_ROWS]
    )
    left_out = len(marks) - MAX_TABLE_ROWS
    note = f"<p>{left_out:,} further values are in results.json.</p>" if left_out > 0 else ""
    return (
        '<div class="table" role="region" aria-label="Values" tabindex="0"><table><thead><tr>'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>{note}"
    )


def _rounded(match: re.Match[str]) -> str:
    return f"{float(match[0]):.{DECIMALS}f}"


def _circle(match: re.Match[str]) -> str:
    low, high = float(match["low"]), float(match["high"])
    radius, middle = abs(low - high) / 2, (low + high) / 2
    return f'<circle cx="{match["x"]}" cy="{middle:.3f}" r="{radius:.3f}"'


def _adapted(svg: str, name: str, alt: str) -> str:
    """Return SVG for use within a page: own ids, the page's colours and font, a description."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = _CIRCLE.sub(_circle, svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg)
    # Coordinates alone: numbers that a reader sees stay as they are.
    svg = re.sub(r"<[^>]*>", lambda tag: _LONG_NUMBER.sub(_rounded, tag[0]), svg)
    svg = svg.replace(f' id="{_OUTLINED}"', f' class="{_OUTLINED}"')
    svg = re.sub(r"<svg[^>]*?(viewBox=\"[^\"]*\")[^>]*>", r"<svg \1>", svg, count=1)
    # Only ids that something refers to are kept; those of two charts must differ.
    used = set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", svg))
    wanted = {one or other for one, other in used}
    svg = re.sub(
        r' id="([^"]+)"',
        lambda match: f' id="{name}-{match[1]}"' if match[1] in wanted else "",
        svg,
    )
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", svg)
    svg = re.sub(r"xlink:href=\"#([^\"]+)\"", rf'href="#{name}-\1"', svg)
    svg = svg.replace("xlink:href=", "href=")
    for color, variable in _THEME.items():
        svg = re.sub(rf"(fill|stroke): {color}(?![0-9a-f])", rf"\1: {variable}", svg, flags=re.I)
    svg = re.sub(r"(font: [^;\"]*?)'DejaVu Sans'[^;\"]*", r"\1system-ui, sans-serif", svg)
    svg = re.sub(r"\s*\n\s*", "\n", svg)
    return svg.replace("<svg ", f'<svg class="chart" role="img" aria-label="{escape(alt)}" ', 1)
