"""The figure of `benchmarks.inference`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from digitrec.rendering.style import BLUE, GREY, ORANGE, new_figure, plain_log_ticks, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["inference_figure"]

_PANELS = {
    "p50_ms": "median ms for one image",
    "rows_per_second": "images per second",
}
_FORMS = {"joblib": ("joblib", BLUE), "onnx": ("ONNX", ORANGE)}


@styled
def inference_figure(models: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the time for one image and the images per second of each model, by form.

    Parameters
    ----------
    models : sequence of mappings
        As `benchmarks.inference.compare_forms` returns them.
    """
    ordered = sorted(models, key=lambda row: -row["joblib"]["p50_ms"])
    places = np.arange(len(ordered))
    figure = new_figure(1.4 + 0.32 * len(ordered))
    panels = figure.subplots(1, len(_PANELS), sharey=True)
    for axes, (name, label) in zip(panels, _PANELS.items(), strict=True):
        for place, row in zip(places, ordered, strict=True):
            if row["onnx"] is not None:
                ends = [row[form][name] for form in _FORMS]
                axes.plot(ends, [place, place], color=GREY, linewidth=1, zorder=1)
        for form, (title, color) in _FORMS.items():
            known = [row[form] is not None for row in ordered]
            values = [row[form][name] for row in ordered if row[form] is not None]
            axes.scatter(values, places[known], color=color, s=36, label=title, zorder=2)
        axes.set_xscale("log")
        plain_log_ticks(axes.xaxis)
        axes.grid(axis="x")
        axes.set_xlabel(label)
    panels[0].set_yticks(
        places, [f"{row['model']}, {row['features']}".removesuffix(", ") for row in ordered]
    )
    panels[0].tick_params(axis="y", length=0)
    panels[1].tick_params(axis="y", length=0)
    handles, titles = panels[0].get_legend_handles_labels()
    figure.legend(handles, titles, loc="outside upper left", ncols=2, frameon=False)
    return figure
