from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi

from benchmarks._scenes import make_scene
from digitrec.inference.ink import extract_ink, is_dark_on_light


@pytest.fixture
def cross():
    ink = np.zeros((120, 160), np.float32)
    ink[30:90, 76:84] = 1
    ink[56:64, 50:110] = 1
    return ink


def paint(ink, paper=220.0, pen=60.0):
    grey = paper * (1 - ink) + pen * ink
    return np.repeat(np.asarray(grey)[..., None], 3, axis=2)


@pytest.mark.parametrize("share", [0.2, 1.0, 3.0])
def test_polarity_does_not_depend_on_the_share_of_light(cross, share):
    pixels = paint(cross, 100 + 40 * share, 60 + 30 * share).clip(0, 255).astype(np.uint8)
    assert is_dark_on_light(pixels)
    assert not is_dark_on_light(255 - pixels)


def test_polarity_of_made_up_scenes(digits):
    images, labels = digits
    rng = np.random.default_rng(1)
    wrong = 0
    for index in range(60):
        scene = make_scene([(images[index : index + 1], str(labels[index]))], rng)
        wrong += is_dark_on_light(scene.pixels) == ("light-on-dark" in scene.traits)
    assert wrong <= 2


@pytest.mark.parametrize("light", ["even", "gradient", "shadow"])
def test_the_mask_is_the_ink_in_any_light(cross, light):
    pixels = paint(cross)
    x = np.linspace(0, 1, 160)[None, :, None]
    if light == "gradient":
        pixels = pixels * (0.5 + 0.5 * x)
    if light == "shadow":
        pixels = pixels * (0.6 + 0.4 / (1 + np.exp(-40 * (x - 0.4))))
    mask = extract_ink(pixels.astype(np.uint8)).mask
    overlap = (mask & (cross > 0)).sum() / (mask | (cross > 0)).sum()
    assert overlap > 0.9


def test_pens_of_each_colour_are_found(cross):
    for channels in ((0, 1), (1, 2), (0, 2), (2,)):
        pixels = paint(cross)
        for channel in set(range(3)) - set(channels):
            pixels[..., channel] = 220
        assert (extract_ink(pixels.astype(np.uint8)).mask == (cross > 0)).mean() > 0.98


@pytest.mark.parametrize("level", [0, 128, 255])
def test_blank_and_grainy_paper_have_no_ink(level):
    pixels = np.full((90, 120, 3), level, np.uint8)
    assert not extract_ink(pixels).mask.any()
    grain = np.random.default_rng(0).normal(level, 6, pixels.shape).clip(0, 255).astype(np.uint8)
    assert extract_ink(grain).mask.mean() < 0.02


def test_grain_does_not_hide_the_ink(cross):
    grain = np.random.default_rng(0).normal(0, 12, (*cross.shape, 3))
    pixels = (paint(cross, pen=140) + grain).clip(0, 255).astype(np.uint8)
    mask = extract_ink(pixels).mask
    core = ndi.binary_erosion(cross > 0, iterations=2)
    assert mask[core].mean() > 0.95
    assert mask[~ndi.binary_dilation(cross > 0, iterations=3)].mean() < 0.01
