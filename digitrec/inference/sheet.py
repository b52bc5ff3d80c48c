"""A sheet of paper that lies on something darker: a table, a floor, other papers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage as ndi

from digitrec.inference.image_io import LoadedImage
from digitrec.inference.parameters import SHEET
from digitrec.inference.thresholds import otsu_threshold


def without_surroundings(image: LoadedImage) -> LoadedImage:
    """Return the part of an image that shows a sheet of paper, its colour continued around it.

    Returns the image itself where it shows no sheet that is lighter than what it lies on.
    """
    height, width = image.pixels.shape[:2]
    factor = max(1, max(height, width) // SHEET.look_side)
    if min(height, width) < SHEET.look_side:
        return image
    small = np.asarray(Image.fromarray(image.pixels).reduce(factor))
    size = (SHEET.ink_width, SHEET.ink_width)
    paper = np.stack([ndi.grey_closing(small[..., c], size=size) for c in range(3)], axis=-1)
    sheet = _find_sheet(paper.astype(np.float32).mean(axis=2))
    if sheet is None:
        return image
    inner = ndi.binary_erosion(sheet, iterations=2)
    rows, columns = (np.flatnonzero(inner.any(axis=axis)) for axis in (1, 0))
    # Around the sheet its nearest colour goes on, so that its edge is no ink.
    nearest = ndi.distance_transform_edt(~inner, return_distances=False, return_indices=True)
    filled = Image.fromarray(paper[tuple(nearest)])
    shape = (small.shape[1] * factor, small.shape[0] * factor)
    filled = filled.resize(shape, Image.Resampling.BILINEAR).crop((0, 0, width, height))
    cover = Image.fromarray(inner).resize(shape, Image.Resampling.NEAREST)
    inside = np.asarray(cover.crop((0, 0, width, height)))
    pixels = np.where(inside[..., None], image.pixels, np.asarray(filled))
    left, right, top, bottom = (
        int(edge) * factor for edge in (columns[0], columns[-1] + 1, rows[0], rows[-1] + 1)
    )
    return replace(image, pixels=pixels, finer=None).part((left, top, right, bottom))


def _find_sheet(light: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Return which pixels of a small image without ink are a light sheet; None without one."""
    p = SHEET
    labels, count = ndi.label(light > otsu_threshold(light))
    if not count:
        return None
    largest = 1 + int(np.bincount(labels.reshape(-1))[1:].argmax())
    sheet = ndi.binary_fill_holes(ndi.binary_opening(labels == largest, iterations=2))
    if not p.min_area < sheet.mean() < p.max_area:
        return None
    ends = (sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1])
    if sum(bool(end.mean() > 0.02) for end in ends) > p.max_borders:
        return None
    if sheet.sum() < p.min_filled * fill_rows_and_columns(sheet).sum():
        return None
    y, x = np.nonzero(sheet)
    spread = np.sqrt(max(float(np.linalg.det(np.cov(x, y))), 1e-6))
    if not p.min_quadrilateral < len(x) / spread < p.max_quadrilateral:
        return None
    inside = sheet & ~ndi.binary_erosion(sheet, iterations=3, border_value=1)
    outside = ndi.binary_dilation(sheet, iterations=3) & ~ndi.binary_dilation(sheet)
    if not (inside.any() and outside.any()):
        return None
    step = float(light[inside].mean() - light[outside].mean())
    whole = float(light[sheet].mean() - light[~sheet].mean())
    return sheet if step > max(p.min_step, p.min_sharpness * whole) else None


def fill_rows_and_columns(area: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return what lies between pixels of an area both along its row and along its column."""
    spans = []
    for axis in (0, 1):
        forward = np.logical_or.accumulate(area, axis=axis)
        back = np.flip(np.logical_or.accumulate(np.flip(area, axis), axis=axis), axis)
        spans.append(forward & back)
    return spans[0] & spans[1]
