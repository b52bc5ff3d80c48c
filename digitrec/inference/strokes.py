"""Digits and other signs drawn from strokes, in hands that MNIST has few of.

MNIST was written in the United States: its ones are bare strokes, its sevens have no bar, its
nines end straight. The templates below are polylines in a unit square (x to the right, y
down), smoothed, shaken and drawn with a round pen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Stroke = list[tuple[float, float]]
Template = list[Stroke]


def _parse(text: str) -> Template:
    """Read strokes written as ``x,y x,y … / x,y …`` in hundredths."""
    return [
        [(int(x) / 100, int(y) / 100) for x, y in (point.split(",") for point in stroke.split())]
        for stroke in text.split("/")
    ]


_OVAL = "50,0 18,18 8,50 18,82 50,100 82,82 92,50 82,18 50,0"

_DIGITS: list[tuple[int, str]] = [
    (0, _OVAL),
    (0, "60,4 25,10 8,50 25,92 60,96 88,70 85,30 60,4 40,14"),
    (0, "72,6 35,2 10,40 18,85 50,100 85,70 90,30 66,4 50,10"),
    (0, _OVAL + " / 80,14 22,88"),
    (0, "78,2 50,8 18,50 22,95 50,92 82,45 76,6 55,10 62,24"),
    # One: flag; flag and foot; foot; long flag; curved flag and foot.
    (1, "28,26 55,0 / 55,0 55,100"),
    (1, "20,35 60,0 / 60,0 60,100"),
    (1, "8,48 60,0 / 60,0 58,100"),
    (1, "25,24 52,0 / 52,0 52,100 / 20,100 84,100"),
    (1, "12,42 55,0 / 55,0 55,100 / 15,100 95,100"),
    (1, "30,14 52,0 / 52,0 52,100 / 10,100 92,100"),
    (1, "50,0 50,100 / 25,100 78,100"),
    (1, "14,40 40,22 60,0 / 60,0 52,100"),
    (1, "15,45 65,0 / 65,0 50,60 45,96 60,100 72,92"),
    (1, "5,58 62,0 / 62,0 46,100"),
    # A foot that reaches to the right alone.
    (1, "15,35 50,0 / 50,0 46,94 / 40,94 95,100"),
    (1, "10,38 40,12 50,0 48,92 / 8,94 30,92 95,100"),
    (1, "24,26 52,0 / 52,0 48,92 62,98 90,98"),
    (2, "10,25 25,4 60,0 82,22 70,50 35,80 8,100 / 8,100 92,100"),
    (2, "12,22 40,0 75,10 78,38 45,75 12,98 / 12,98 40,92 70,100 95,92"),
    (2, "12,22 45,0 80,15 70,50 30,88 12,98 8,84 30,80 60,98 95,90"),
    (2, "10,10 55,0 85,18 70,48 10,98 / 10,98 95,98"),
    # Copperplate: a curl or a dot at the start, a loop or a wave at the foot.
    (2, "30,30 16,26 24,6 50,0 78,14 66,48 15,94 28,84 62,98 92,86"),
    (2, "26,26 36,18 24,12 16,26 40,2 78,10 72,42 20,96 10,86 30,82 66,100 90,86"),
    (2, "20,30 25,6 60,0 80,22 52,60 12,92 22,100 40,84 30,76 20,88 60,98 94,80"),
    (2, "22,16 48,0 76,14 68,44 36,76 10,100 / 10,100 45,92 90,100"),
    (3, "12,10 50,0 80,16 70,40 38,48 / 38,48 80,58 85,84 50,100 8,90"),
    (3, "10,2 85,2 / 85,2 42,40 / 42,40 78,48 88,75 60,98 10,92"),
    (3, "15,12 50,0 78,15 60,42 42,46 60,50 82,72 65,96 30,100 8,88"),
    (3, "24,16 50,0 76,12 58,38 40,44 64,52 68,84 38,100 14,92 22,82"),
    (4, "30,0 8,60 / 8,60 92,60 / 70,30 66,100"),
    (4, "62,0 5,68 / 5,68 95,68 / 62,0 62,100"),
    (4, "20,0 15,50 / 15,50 85,48 / 85,0 78,100"),
    (4, "55,0 8,62 / 8,62 90,62 / 65,35 60,100"),
    (4, "15,0 12,45 45,56 82,45 / 85,0 80,100"),
    # Copperplate: open, the first stroke long and curved, the last one short or hooked.
    (4, "42,0 26,36 6,64 48,60 92,56 / 72,22 54,100"),
    (4, "22,6 12,54 50,58 90,44 / 88,0 60,60 48,100"),
    (4, "48,0 30,30 8,62 92,58 / 78,12 62,70 60,98 76,94"),
    (4, "30,4 38,16 20,48 8,62 40,62 90,52 / 70,26 50,100"),
    # Open and narrow: the last stroke begins where the level one ends.
    (4, "60,0 40,14 10,50 45,48 90,38 / 90,38 64,68 66,100"),
    (4, "52,0 12,50 90,40 / 90,40 70,62 60,100"),
    (5, "85,0 25,0 / 25,0 18,42 / 18,42 55,34 86,55 80,86 45,100 8,90"),
    (5, "22,2 18,45 / 18,45 60,38 85,62 70,92 35,100 8,90 / 22,2 90,0"),
    (5, "80,2 35,6 / 35,6 25,48 65,48 75,75 50,98 12,96"),
    (5, "36,8 22,46 / 22,46 56,36 78,60 58,94 24,100 8,88 20,80 / 36,8 60,12 94,0"),
    (5, "40,14 24,48 / 24,48 58,42 76,66 52,98 12,94 / 50,4 70,10 98,0"),
    (6, "72,0 35,25 12,62 25,95 60,100 82,78 70,56 40,55 14,72"),
    (6, "55,0 22,40 12,75 35,100 70,95 82,70 55,52 18,70"),
    (6, "85,8 60,0 25,25 10,65 28,98 65,98 85,72 62,52 30,58 14,76"),
    (6, "95,0 55,20 20,58 14,88 36,100 66,86 70,64 48,58 20,80"),
    (7, "8,2 90,2 / 90,2 40,100"),
    (7, "8,2 90,2 / 90,2 40,100 / 30,50 85,50"),
    (7, "8,14 12,2 90,2 / 90,2 55,55 45,100 / 28,52 84,48"),
    (7, "5,8 30,0 60,10 92,0 / 92,0 60,40 42,100"),
    (7, "5,10 35,2 62,8 92,0 / 92,0 55,50 40,100 / 22,55 82,48"),
    (7, "10,20 12,2 92,2 / 92,2 70,35 60,100"),
    # Copperplate: a tick and a wave, with and without a bar.
    (7, "8,24 16,2 44,4 62,12 94,0 / 94,0 60,46 36,100"),
    (7, "6,26 14,4 40,2 60,12 94,0 / 94,0 62,44 40,100 / 30,54 78,46"),
    (7, "12,0 8,20 / 10,14 40,2 60,10 92,2 / 92,2 56,50 44,100"),
    (7, "10,16 26,2 56,12 92,0 / 92,0 54,48 36,92 44,100 / 26,56 50,50 74,54"),
    (8, "75,14 50,0 22,14 28,38 70,58 82,82 50,100 18,84 28,60 70,38 80,20 72,10"),
    (8, "50,0 22,20 50,46 78,20 50,0 / 50,46 15,74 50,100 85,74 50,46"),
    (8, "80,8 40,2 22,24 55,48 82,76 50,100 16,80 40,52 88,4"),
    # Copperplate: the first stroke a shaded S, the second one thin and sometimes open.
    (8, "84,12 62,0 34,12 38,36 64,60 58,92 28,100 14,80 40,54 76,26 86,8"),
    (8, "90,4 78,20 60,2 36,10 34,32 62,56 68,84 40,100 16,86 32,62 72,32"),
    (8, "72,20 66,2 38,6 36,32 64,58 60,90 34,100 18,84 36,60 72,34 94,6"),
    # Nine: hooked tails, round and long, and straight ones.
    (9, "80,18 50,0 18,18 22,46 52,52 80,25 / 80,8 80,70 60,98 15,92"),
    (9, "82,20 50,0 15,22 28,50 62,46 82,18 78,70 50,100 12,88"),
    (9, "78,15 45,0 15,22 30,48 65,42 80,12 / 80,12 78,80 55,100 25,92 10,78"),
    (9, "78,15 45,0 15,22 30,48 65,42 80,12 / 80,12 68,100"),
    (9, "74,10 42,4 12,28 26,50 58,38 78,6 / 78,6 58,60 18,100"),
    (9, "76,14 50,0 18,18 20,44 52,44 80,10 62,70 36,98 12,94 18,84"),
    (9, "75,20 50,2 20,14 18,40 45,50 75,35 / 80,0 72,60 55,95 30,100 5,94"),
]

_SIGNS: list[str] = [
    # Small letters a c e h k m n p r t u v w x y f d, as written by hand.
    "78,15 45,2 12,30 12,75 40,98 70,75 80,10 / 80,10 76,75 82,98 98,88",
    "80,12 40,5 10,40 15,80 50,98 72,90 80,20 / 82,0 80,90 95,98",
    "70,12 45,0 14,25 8,55 25,72 50,62 70,25 / 72,5 66,60 74,92 88,98 98,82",
    "62,10 38,2 12,30 10,65 30,85 55,65 68,15 / 68,8 60,70 70,95 98,92",
    "75,8 45,0 20,22 14,50 32,68 60,50 75,8 / 75,8 70,70 80,98 98,80",
    "85,14 55,0 18,25 10,62 32,96 65,98 90,82",
    "80,22 50,5 20,30 14,65 40,98 85,88",
    "90,5 40,5 12,45 30,95 88,95",
    "15,55 85,48 72,10 40,2 12,40 20,85 55,100 90,85",
    "18,0 18,100 / 18,60 50,42 80,55 82,100",
    "20,0 20,100 / 78,35 22,65 / 35,58 85,100",
    "8,10 8,100 / 8,40 28,8 48,35 48,100 / 48,40 70,8 92,35 92,100",
    "15,5 15,100 / 15,45 45,5 82,25 85,100",
    "20,2 20,100 / 20,12 60,0 85,22 70,45 20,48",
    "20,5 20,100 / 20,40 45,8 80,15",
    "45,0 45,85 65,100 85,90 / 12,32 80,30",
    "12,5 14,70 40,98 75,75 / 80,5 80,98",
    "8,5 45,98 / 45,98 88,5",
    "5,5 25,95 / 25,95 48,25 / 48,25 72,95 / 72,95 95,5",
    "8,5 92,95 / 92,5 8,95",
    "50,0 51,2 / 50,30 50,100",
    "60,0 61,2 / 60,28 60,75 50,98 25,95",
    "12,5 48,55 / 88,5 30,100",
    "80,10 55,0 42,25 40,100 / 15,45 72,42",
    "78,55 40,45 12,75 40,100 78,80 / 80,0 80,100",
    # Capitals A E F H K L M N P R T U V Y C.
    "50,0 8,100 / 50,0 92,100 / 25,62 76,62",
    "15,0 15,100 / 15,0 85,0 / 15,50 70,50 / 15,100 88,100",
    "18,0 18,100 / 18,0 85,0 / 18,48 68,48",
    "12,0 12,100 / 88,0 88,100 / 12,50 88,50",
    "15,0 15,100 / 85,0 18,55 / 35,45 88,100",
    "20,0 20,100 / 20,100 88,100",
    "8,100 12,0 / 12,0 50,65 / 50,65 88,0 / 88,0 92,100",
    "12,100 12,0 / 12,0 88,100 / 88,100 88,0",
    "18,0 18,100 / 18,0 70,2 85,25 68,48 18,52",
    "18,0 18,100 / 18,0 70,2 82,24 65,46 18,50 / 45,50 88,100",
    "8,2 92,2 / 50,2 50,100",
    "12,0 14,75 50,100 85,75 88,0",
    "10,0 50,48 / 90,0 50,48 / 50,48 50,100",
    # Operators, arrows, stars, boxes, ticks, hearts, waves, a face, a house, a spiral.
    "50,5 50,95 / 5,50 95,50",
    "5,40 95,40 / 5,62 95,62",
    "10,50 90,50 / 50,18 51,20 / 50,80 51,82",
    "5,50 95,50 / 65,20 95,50 / 95,50 65,80",
    "50,0 80,98 / 80,98 2,35 / 2,35 98,35 / 98,35 20,98 / 20,98 50,0",
    # As wide as high or wider: a narrow box is a zero of a display.
    "-20,5 120,5 / 120,5 120,95 / 120,95 -20,95 / -20,95 -20,5",
    "50,5 95,92 / 95,92 5,92 / 5,92 50,5",
    "5,60 35,95 / 35,95 95,5",
    "50,95 8,45 15,12 38,8 50,30 62,8 88,12 92,45 50,95",
    "2,50 18,25 35,50 50,75 66,50 82,25 98,50",
    _OVAL + " / 35,35 36,38 / 65,35 66,38 / 30,65 50,78 70,65",
    "5,45 50,5 / 50,5 95,45 / 15,45 15,98 / 85,45 85,98 / 15,98 85,98",
    "50,50 62,45 60,62 42,65 32,45 48,28 75,35 82,62 58,88 22,78 10,45 30,12 70,8",
    "50,0 5,50 / 5,50 50,100 / 50,100 95,50 / 95,50 50,0",
    _OVAL + " / 8,50 92,50 / 50,0 50,100",
    "35,5 30,95 / 65,5 60,95 / 5,35 95,32 / 5,68 95,65",
    # Colon, semicolon, exclamation mark, braces, brackets, dollar, paragraph, euro.
    "50,0 51,2 / 49,98 50,100",
    "50,0 51,2 / 52,66 54,80 40,100",
    "50,0 51,66 / 50,97 51,99",
    "95,0 58,6 52,36 10,50 52,64 58,94 95,100",
    "5,0 42,6 48,36 90,50 48,64 42,94 5,100",
    "80,0 25,0 / 25,0 25,100 / 25,100 80,100",
    "80,0 38,20 22,50 38,80 80,100",
    "20,0 62,20 78,50 62,80 20,100",
    "80,22 50,9 20,27 50,48 80,70 50,91 18,78 / 50,0 50,100",
    "75,14 50,0 28,14 40,32 74,52 62,68 / 36,34 24,50 60,68 72,86 50,100 25,86",
    "88,10 55,2 27,25 20,50 30,78 56,98 88,90 / 4,40 62,40 / 4,60 58,60",
    # Pairs of short strokes.
    "20,0 20,100 / 80,0 80,100",
    "30,0 5,100 / 95,0 70,100",
    "5,0 30,100 / 70,0 95,100",
    "5,0 38,100 / 95,0 62,100",
    "38,0 5,100 / 62,0 95,100",
    "20,0 22,45 / 80,0 78,45",
    "0,25 45,0 / 55,75 100,45",
    "20,0 20,100 / 45,52 95,50",
]

DIGIT_STROKES: list[tuple[int, Template]] = [(digit, _parse(text)) for digit, text in _DIGITS]
"""Digits with their templates."""
SIGN_STROKES: list[Template] = [_parse(text) for text in _SIGNS]
"""Letters, operators and drawings that nobody should read as a digit."""

_POINTS = 6
_CHUNK = 48


def draw_strokes(
    template: Template, n: int, rng: np.random.Generator, *, side: int = 28, shake: float = 0.035
) -> NDArray[np.float32]:
    """Draw a template `n` times by an unsteady hand.

    Parameters
    ----------
    template : list of strokes
        Points of each stroke in a unit square.
    n : int
        Drawings.
    rng : numpy.random.Generator
    side : int
        Pixels per side.
    shake : float
        Standard deviation of each point, as a share of the drawing.

    Returns
    -------
    ndarray of float32, shape (n, side, side)
        Ink, 0–1, within the middle 20/28 of the image. Half of them are drawn with a pointed pen,
        which draws strokes down the page thick and others thin.
    """
    aspect = rng.uniform(0.55, 1.05, (n, 1)).astype(np.float32)
    slant = rng.normal(0.0, 0.2, (n, 1)).astype(np.float32)
    paths = []
    for stroke in template:
        points = np.asarray(stroke, dtype=np.float32)[None]
        points = points + rng.normal(0, shake, (n, len(stroke), 2)).astype(np.float32)
        path = _smooth(points) if len(stroke) > 2 else points
        x, y = path[..., 0] - 0.5, path[..., 1] - 0.5
        paths.append(np.stack([x * aspect - slant * y, y], axis=-1))
    return _draw_paths(paths, rng, side)


def random_scribbles(n: int, rng: np.random.Generator, *, side: int = 28) -> NDArray[np.float32]:
    """Draw random curves and zigzags, one to three; shapes as `draw_strokes` returns them."""
    groups = []
    for count, points in ((1, 4), (1, 7), (1, 12), (2, 4), (3, 3)):
        strokes = rng.normal(0.5, 0.35, (count, n // 8 + 1, points, 2)).astype(np.float32)
        groups.append([_smooth(stroke) for stroke in strokes])
    for points in (7, 11):
        groups.append([rng.normal(0.5, 0.35, (n // 8 + 1, points, 2)).astype(np.float32)])
    # A pen that wanders goes on from where it is.
    walk = rng.normal(0, 0.3, (n // 8 + 1, 16, 2)).cumsum(axis=1).astype(np.float32)
    groups.append([_smooth(walk)])
    drawn = [_draw_paths(paths, rng, side) for paths in groups]
    return np.concatenate(drawn)[rng.permutation(8 * (n // 8 + 1))[:n]]


def _draw_paths(
    paths: list[NDArray[np.float32]], rng: np.random.Generator, side: int
) -> NDArray[np.float32]:
    """Draw paths of shape (n, points, 2), all of them in each of `n` images."""
    starts = np.concatenate([path[:, :-1] for path in paths], axis=1)
    stops = np.concatenate([path[:, 1:] for path in paths], axis=1)
    # Small blocks stay in the processor's cache.
    blocks = [
        _draw_segments(starts[at : at + _CHUNK], stops[at : at + _CHUNK], rng, side)
        for at in range(0, len(starts), _CHUNK)
    ]
    return np.concatenate(blocks)


def _smooth(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return Catmull–Rom curves through points of shape (n, points, 2)."""
    ends = 2 * points[:, :1] - points[:, 1:2], 2 * points[:, -1:] - points[:, -2:-1]
    p = np.concatenate([ends[0], points, ends[1]], axis=1)
    t = np.linspace(0, 1, _POINTS, endpoint=False, dtype=np.float32)[:, None]
    a, b, c, d = (p[:, i : p.shape[1] - 3 + i, None] for i in range(4))
    curve = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3
    )
    return np.concatenate([curve.reshape(len(points), -1, 2), points[:, -1:]], axis=1)


def _draw_segments(
    starts: NDArray[np.float32], stops: NDArray[np.float32], rng: np.random.Generator, side: int
) -> NDArray[np.float32]:
    """Scale segments (n, segments, 2) to the middle of the image and draw them."""
    n = len(starts)
    both = np.concatenate([starts, stops], axis=1)
    low, high = both.min(axis=1, keepdims=True), both.max(axis=1, keepdims=True)
    scale = side * 18 / 28 / np.maximum((high - low).max(axis=2, keepdims=True), 1e-3)
    shift = (side - 1) / 2 - scale * (low + high) / 2
    starts, stops = starts * scale + shift, stops * scale + shift
    width = side / 28 * rng.uniform(0.7, 1.9, (n, 1)).astype(np.float32)
    contrast = np.where(rng.random((n, 1)) < 0.5, rng.uniform(0.2, 0.75, (n, 1)), 0)
    dx, dy = stops[..., 0] - starts[..., 0], stops[..., 1] - starts[..., 1]
    down = np.maximum(dy, 0) / np.maximum(np.hypot(dx, dy), 1e-3)
    widths = (width * (1 + contrast * (down - 0.6))).astype(np.float32)
    y, x = (axis.ravel().astype(np.float32) for axis in np.indices((side, side)))
    ink = np.zeros((n, side * side), np.float32)
    for index in range(starts.shape[1]):
        x0, y0 = starts[:, index, 0, None], starts[:, index, 1, None]
        dx, dy = stops[:, index, 0, None] - x0, stops[:, index, 1, None] - y0
        along = ((x - x0) * dx + (y - y0) * dy) / np.maximum(dx * dx + dy * dy, 1e-6)
        along = np.clip(along, 0, 1)
        square = (x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2
        np.maximum(ink, widths[:, index, None] + 0.5 - np.sqrt(square), out=ink)
    return np.minimum(ink, 1).reshape(n, side, side)
