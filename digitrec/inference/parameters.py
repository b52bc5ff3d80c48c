"""Tuned numbers of the recogniser, by stage, with units.

Numbers without a figure were set by hand on made-up images and on the development images; what they
do there, ``benchmarks.real_images`` measures.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RowParameters:
    """Which rows of a page are digits, and which pieces of them. Confidences are 0-1.

    Attributes
    ----------
    min_confidence : float
        Least confidence of a piece of their size among digits.
    min_accepted : float
        Share of a row that must be accepted for its other pieces to profit.
    min_digits : float
        A row of which fewer pieces are digits is words or drawing, and is left out whole.
    clear_row : float
        Mean confidence of a row of digits that is well written.
    min_clear_pieces : int
        Pieces from which a row can be clear.
    doubtful_row : float
        Mean confidence below which another row, on a page with a clear one, is words: those of
        made-up pages have up to 0.72, a row of four digits of which one is doubtful 0.8.
    min_doubtful_pieces : int
        Pieces from which a row can be words.
    min_height, max_height : float
        Height of a doubtful piece over that of the row's digits.
    """

    min_confidence: float = 0.2
    min_accepted: float = 0.6
    min_digits: float = 0.5
    clear_row: float = 0.95
    min_clear_pieces: int = 3
    doubtful_row: float = 0.75
    min_doubtful_pieces: int = 4
    min_height: float = 0.6
    max_height: float = 1.5


ROW = RowParameters()


@dataclass(frozen=True)
class CellParameters:
    """What a row of boxes looks like. Checked on made-up forms, ``benchmarks._pages``.

    Attributes
    ----------
    min_side, max_side : float
        Pixels of the shorter, share of the page of the longer side of a cell.
    max_aspect : float
        Longer over shorter side.
    min_filled : float
        Least share of its box that a cell fills, what is written in it counted in; circles fill
        0.79.
    max_unlike : float
        Most by which neighbours' heights and places, and half their widths, differ, over the
        cell's height.
    max_gap : float
        Gap between neighbours, over their width; a cell that ink cuts in two is missing in it.
    min_whole : float
        Least width and height, over the row's median, of a cell that ink does not cut short.
    min_drawn : float
        Least share of each side of a cell along which there is a line.
    line_reach : int
        Pixels on both sides of a cell's border in which that line may lie.
    min_cells : int
        Cells from which they are a row.
    min_written : float
        Least share of the cells of a row that something is written in: on squared paper few are.
    min_height : float
        Least height of what is written, over the cell's.
    min_speck : float
        Least longer side of a piece of a digit, over the cell's height.
    """

    min_side: int = 12
    max_side: float = 0.25
    max_aspect: float = 2.4
    min_filled: float = 0.83
    max_unlike: float = 0.3
    max_gap: float = 1.7
    min_whole: float = 0.88
    min_drawn: float = 0.8
    line_reach: int = 3
    min_cells: int = 3
    min_written: float = 0.6
    min_height: float = 0.33
    min_speck: float = 0.12


CELL = CellParameters()


@dataclass(frozen=True)
class SheetParameters:
    """What a sheet on a table looks like. Checked on made-up photographs, ``benchmarks._pages``.

    Attributes
    ----------
    look_side : int
        Pixels of the longer side at which the sheet is looked for.
    ink_width : int
        Width of the strokes and lines that are closed first, in pixels of that look.
    min_area, max_area : float
        Share of the image that the sheet takes.
    min_step : float
        Least step of the light at its edges, 0-255.
    min_sharpness : float
        Least share of the difference between sheet and table that lies within 4 pixels of the
        edge; a shadow's is less.
    min_quadrilateral, max_quadrilateral : float
        Bounds of the area over the root of the determinant of its pixels' covariance: 10.4 for
        triangles, 12 for parallelograms, 12.6 for ellipses.
    min_filled : float
        Least share of what lies between its pixels, along rows and along columns, that is sheet.
    max_borders : int
        Borders of the image that it may touch; the light side of a shadow touches three.
    """

    look_side: int = 160
    ink_width: int = 7
    min_area: float = 0.15
    max_area: float = 0.93
    min_step: float = 18.0
    min_sharpness: float = 0.6
    min_quadrilateral: float = 11.0
    max_quadrilateral: float = 12.3
    min_filled: float = 0.97
    max_borders: int = 2


SHEET = SheetParameters()
