"""An image with what was recognised drawn on it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from digitrec.inference.prediction import DigitPrediction

ACCEPTED = (0, 128, 60)
REJECTED = (190, 30, 30)
MIN_SIDE = 320
MAX_SIDE = 1600


def draw_overlay(pixels: NDArray[np.uint8], predictions: Iterable[DigitPrediction]) -> Image.Image:
    """Draw boxes, digits and confidences.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        As `read_image` gives them.
    predictions : iterable of DigitPrediction
        Those without a box are left out; what was rejected is drawn in red with its best guess
        in brackets.

    Returns
    -------
    PIL.Image.Image
        The image, small ones enlarged and large ones reduced so that the text can be read.
    """
    image = Image.fromarray(pixels)
    side = max(image.size)
    factor = min(max(1.0, MIN_SIDE / side), MAX_SIDE / side if side > MAX_SIDE else np.inf)
    if factor != 1:
        size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        way = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
        image = image.resize(size, way)
    draw = ImageDraw.Draw(image)
    line = max(1, max(image.size) // 300)
    for prediction in predictions:
        if prediction.box is None:
            continue
        left, top, right, bottom = (edge * factor for edge in prediction.box)
        colour = ACCEPTED if prediction.accepted else REJECTED
        draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), None, colour, line)
        guess = str(prediction.digit)
        if not prediction.accepted:
            guess = f"({int(prediction.probabilities.argmax())})"
        text = f"{guess} {prediction.confidence:.0%}"
        font = ImageFont.load_default(size=float(np.clip(0.3 * (bottom - top), 11, 28)))
        _label(draw, text, (left, top), font, colour, image.size)
    return image


def _label(
    draw: ImageDraw.ImageDraw,
    text: str,
    corner: tuple[float, float],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    colour: tuple[int, int, int],
    size: tuple[int, int],
) -> None:
    x0, y0, x1, y1 = draw.textbbox((0, 0), text, font=font)
    left = float(np.clip(corner[0], 0, max(0, size[0] - (x1 - x0) - 2)))
    top = corner[1] - (y1 - y0) - 4
    if top < 0:
        top = corner[1]
    draw.rectangle((left, top, left + (x1 - x0) + 2, top + (y1 - y0) + 3), fill=colour)
    draw.text((left + 1 - x0, top + 1 - y0), text, fill=(255, 255, 255), font=font)
