"""The style of all figures, and saving them as small files."""

from __future__ import annotations

import functools
import io
import itertools
import math
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from digitrec._files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

# Okabe and Ito's palette, distinguishable with every common colour vision deficiency.
BLUE, ORANGE = "#0072B2", "#D55E00"
PALETTE = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#7F7F7F")
INK, GREY = "#24292F", "#8C959F"
WIDTH = 7.0  # inches; 1,050 pixels, shown at about 900 on GitHub
DPI = 150
MAX_NAME_LENGTH = 24  # characters of a class or model at an axis
MAX_LABEL_LENGTH = 42  # characters of a name beside a point
MAX_TITLE_LENGTH = 70  # characters of a line of a title
MAX_CLASSES_SHOWN = 30  # beyond, figures and tables show the hardest classes alone
MAX_NAMED_CELLS = 60  # rows or columns of a table that are all named

_STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelsize": 9.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "#E4E7EB",
    "grid.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,  # the names of classes are not formulas
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}

# Places of a label around its point, the preferred first: direction to the right, direction up, and
# points of further distance.
_NEAR = tuple(
    (dx, dy, 0.0)
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
)
_FAR = tuple((dx, dy, 5.0 * ring) for ring in (1, 2, 3) for dx, dy, _ in _NEAR)

_P = ParamSpec("_P")
_T = TypeVar("_T")


def styled(draw: Callable[_P, _T]) -> Callable[_P, _T]:
    """Make a function draw in the style of the reports.

    Texts of a figure that it returns get a font that has their characters, or, where none that
    is installed has them, the characters' numbers.
    """

    @functools.wraps(draw)
    def wrapper(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        import matplotlib
        from matplotlib.figure import Figure

        with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            drawn = draw(*args, **kwargs)
            if isinstance(drawn, Figure):
                _complete_glyphs(drawn)
            return drawn

    return wrapper


def _complete_glyphs(figure: Figure) -> None:
    from matplotlib.text import Text
    from matplotlib.ticker import FixedLocator

    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    characters = {c for text in texts for c in text.get_text() if not (c.isascii() or c.isspace())}
    found = {c: _font_with(c) for c in characters if ord(c) not in _glyphs(None)}
    if not found:
        return
    families = [*_STYLE["font.family"], *sorted({font for font in found.values() if font})]
    numbers = {ord(c): f"[U+{ord(c):04X}]" for c, font in found.items() if font is None}
    for text in texts:
        text.set_fontfamily(families)
        text.set_text(text.get_text().translate(numbers))
    # Texts of ticks are computed again by their formatters.
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        axis.set_tick_params(labelfontfamily=families)
        if numbers and isinstance(axis.get_major_locator(), FixedLocator):
            labels = [label.get_text().translate(numbers) for label in axis.get_ticklabels()]
            axis.set_ticks(axis.get_ticklocs(), labels)


@functools.cache
def _glyphs(path: str | None) -> frozenset[int]:
    """Return the characters of a font file; None means the font of the style."""
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path or findfont(_STYLE["font.family"][0])).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


@functools.cache
def _font_with(character: str) -> str | None:
    """Return the name of an installed font that has a character, or None."""
    from matplotlib.font_manager import fontManager

    for entry in sorted(fontManager.ttflist, key=lambda entry: (entry.name, entry.fname)):
        # matplotlib's font of last resort shows one box for all characters of a script.
        if "Last Resort" not in entry.name and ord(character) in _glyphs(entry.fname):
            return str(entry.name)
    return None


def line_style(index: int) -> dict[str, Any]:
    """Return colour and dashes of a line, different for the first 24."""
    dashes = ("-", "--", ":")[index // len(PALETTE) % 3]
    return {"color": PALETTE[index % len(PALETTE)], "linestyle": dashes}


def short_names(names: Sequence[str], limit: int = MAX_NAME_LENGTH) -> list[str]:
    """Return names for figures: long ones lose their middle, and stay distinct.

    Examples
    --------
    >>> short_names(["seven", "a very long name of a class"], limit=12)
    ['seven', 'a very…class']
    """
    shown: list[str] = []
    for name in names:
        head = (limit - 1) // 2 + 1
        short = name if len(name) <= limit else f"{name[:head]}…{name[head + 1 - limit :]}"
        if short in shown:
            short = f"{short[: limit - 4]}#{len(shown)}"
        shown.append(short)
    return shown


def title_lines(title: str) -> str:
    """Return a title with line breaks, as wide as a figure at most."""
    return textwrap.fill(title, MAX_TITLE_LENGTH)


@styled
def new_figure(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure, `height` by `width` inches, laid out without overlaps."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


@styled
def render_png(figure: Figure) -> bytes:
    """Return a figure as a PNG file of at most 256 colours; its layout is final from then on."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    # The layout takes half of the time of drawing; an SVG of the same figure need not repeat it.
    figure.set_layout_engine("none")
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    buffer = io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(buffer, format="PNG", compress_level=7)
    return buffer.getvalue()


def name_cells(
    axes: Axes, columns: Sequence[str], rows: Sequence[str], *, line: str = "white"
) -> None:
    """Name the columns and rows of an image, and part its cells by lines of a colour.

    Of very many, names and lines stand at regular distances.
    """
    columns, rows = short_names(columns), short_names(rows)
    turn = max(map(len, columns)) > 4
    x_step, y_step = (math.ceil(len(names) / MAX_NAMED_CELLS) for names in (columns, rows))
    axes.set_xticks(
        range(0, len(columns), x_step),
        columns[::x_step],
        rotation=35 if turn else 0,
        ha="right" if turn else "center",
        rotation_mode="anchor" if turn else "default",
    )
    axes.set_yticks(range(0, len(rows), y_step), rows[::y_step])
    if len(columns) > 25:
        axes.tick_params(axis="x", labelsize=5.5, labelrotation=90)
        axes.tick_params(axis="y", labelsize=5.5 if len(rows) > 25 else 9.5)
    # Lines between very narrow cells would cover them.
    if x_step == 1:
        axes.vlines(np.arange(0.5, len(columns) - 1), -0.5, len(rows) - 0.5, line, linewidth=1.5)
    if y_step == 1:
        axes.hlines(np.arange(0.5, len(rows) - 1), -0.5, len(columns) - 0.5, line, linewidth=1.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def annotate_cells(
    axes: Axes, texts: Sequence[Sequence[str]], on_dark: NDArray[np.bool_], size: float = 8.5
) -> None:
    """Write a text into each cell of an image, white on dark cells; empty texts are left out."""
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            if text:
                color = "white" if on_dark[row, column] else INK
                axes.text(
                    column, row, text, ha="center", va="center", fontsize=size, color=color,
                    in_layout=False,
                )  # fmt: skip


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically."""
    content = render_png(figure)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def label_points(
    axes: Axes,
    x: Sequence[float],
    y: Sequence[float],
    labels: Sequence[str],
    bold: Sequence[bool] | None = None,
    avoid: Sequence[tuple[float, float]] = (),
    legend: Mapping[str, Any] | None = None,
) -> None:
    """Name each point beside it; where that is too crowded, number them and name them in a legend.

    Axis limits and scales must be final. No label covers another, a point or an axis. The artist's
    label of each text is the whole name of its point.

    Parameters
    ----------
    axes : Axes
        Where the points are drawn.
    x, y : sequence of float
        Points, in data coordinates.
    labels : sequence of str
        One per point.
    bold : sequence of bool, optional
        Which labels are emphasised.
    avoid : sequence of (float, float), optional
        Corners of a line, in data coordinates, that labels should rather not cross.
    legend : mapping, optional
        Arguments of ``Figure.legend``, such as ``loc``; to the right of the figure by default.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patheffects import withStroke

    figure = axes.get_figure(root=True)
    assert figure is not None
    shown = short_names(labels, MAX_LABEL_LENGTH)
    texts = [
        axes.annotate(
            name,
            point,
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8.5,
            fontweight="bold" if bold is not None and bold[index] else "normal",
            annotation_clip=False,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            label=labels[index],
        )
        for index, (name, point) in enumerate(zip(shown, zip(x, y, strict=True), strict=True))
    ]
    for text in texts:
        text.set_in_layout(False)
    if _place_texts(axes, texts, avoid, _NEAR):
        return
    for index, text in enumerate(texts):
        text.set_text(str(index + 1))
    where = {"loc": "outside right upper"} | dict(legend or {})
    # A figure space is as wide as a digit.
    names = [f"{index + 1:\u2007>2}  {name}" for index, name in enumerate(shown)]
    handles = [Line2D([], [], linestyle="") for _ in names]
    key = figure.legend(
        handles, names, frameon=False, fontsize=8, handlelength=0, handletextpad=0, **where
    )
    for line, text in zip(key.get_texts(), texts, strict=True):
        line.set_fontweight(text.get_fontweight())
    _place_texts(axes, texts, avoid, _NEAR + _FAR)


def _place_texts(
    axes: Axes,
    texts: Sequence[Annotation],
    avoid: Sequence[tuple[float, float]],
    places: Sequence[tuple[float, float, float]],
) -> bool:
    """Move texts beside their points; return whether none covers a point, a text or the frame."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    layout = figure.get_layout_engine()
    if layout is not None:
        layout.execute(figure)  # it decides where points are in pixels
    scale = DPI / 72
    points = axes.transData.transform(np.array([text.xy for text in texts]))
    taken = [(px - 5 * scale, py - 5 * scale, px + 5 * scale, py + 5 * scale) for px, py in points]
    line = _along(axes.transData.transform(np.asarray(avoid))) if len(avoid) > 1 else []
    frame = axes.get_window_extent().extents
    fit = True
    for index in sorted(range(len(texts)), key=lambda i: -points[i][1]):
        text = texts[index]
        text.set_position((0, 0))
        extent = text.get_window_extent()
        # Two numbers side by side must not read as one.
        width, height = extent.width + 4 * scale, extent.height
        right, up = width / 2 + 5.5 * scale, height / 2 + 6 * scale
        best = None
        for preference, (across, along, further) in enumerate(places):
            # At the corners a label comes closer to its point.
            corner = 3 * scale if across and along else 0
            dx = across * (right - corner + further * scale)
            dy = along * (up - corner + further * scale)
            cx, cy = points[index][0] + dx, points[index][1] + dy
            box = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
            covered = sum(_overlap(box, other) for other in taken) + _outside(box, frame)
            cost = preference + covered + 60 * any(_holds(box, point) for point in line)
            if best is None or cost < best[0]:
                best = (cost, covered, dx / scale, dy / scale, box)
        assert best is not None
        _, covered, dx, dy, box = best
        text.set_position((dx, dy))
        taken.append(box)
        fit = fit and not covered
    return fit


def plain_log_ticks(axis: Axis) -> None:
    """Put ticks with plain numbers on a log axis, as densely as its range leaves room for."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    grid = axis.axes.get_subplotspec()
    # Side by side, axes have room for fewer numbers.
    panels = grid.get_gridspec().ncols if grid and axis is axis.axes.xaxis else 1
    decades = math.log10(high / low) * panels
    steps = (1, 2, 3, 5, 7) if decades < 1.2 else (1, 2, 5) if decades < 3 else (1,)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_minor_locator(LogLocator(subs="auto") if len(steps) == 1 else LogLocator(subs=()))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def log_percent_axis(axes: Axes, which: str, low: float, high: float) -> None:
    """Give an axis a log scale with plain numbers."""
    if which == "x":
        axes.set_xscale("log")
        axes.set_xlim(low / 1.15, high * 1.35)
        plain_log_ticks(axes.xaxis)
    else:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.05, high * 1.05)
        plain_log_ticks(axes.yaxis)


def _along(corners: NDArray[np.floating]) -> list[tuple[float, float]]:
    """Return points every few pixels along a broken line."""
    found: list[tuple[float, float]] = []
    for start, end in itertools.pairwise(corners):
        steps = int(np.hypot(*(end - start)) // 4) + 1
        found += [tuple(start + (end - start) * step / steps) for step in range(steps)]
    return found


def _holds(box: Sequence[float], point: tuple[float, float]) -> bool:
    """Return whether a point is in a box."""
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the area that two boxes share, in pixels; enough to outweigh any offset's cost."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return 100 + width * height if width > 0 and height > 0 else 0.0


def _outside(box: Sequence[float], frame: Sequence[float]) -> float:
    """Return how far a box sticks out of a frame, in pixels, weighted like an overlap."""
    out = max(0, frame[0] - box[0]) + max(0, box[2] - frame[2])
    out += max(0, frame[1] - box[1]) + max(0, box[3] - frame[3])
    return 100 + 10 * out if out > 0 else 0.0
