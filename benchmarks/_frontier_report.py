"""The report and the figure of the frontier benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tabulate import tabulate

from benchmarks._frontier_candidates import candidates_for
from digitrec.rendering.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    label_points,
    new_figure,
    plain_log_ticks,
    styled,
)
from digitrec.reporting.published import PUBLISHED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["frontier_figure", "render_report", "winner_of"]


def winner_of(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the result that was best on the validation rows; of equals the faster to fit."""
    return min(results, key=lambda row: (row["validation_error"], row["fit_seconds"]))


@styled
def frontier_figure(stored: dict[str, Any]) -> Figure:
    """Draw the test error against fit time and against latency, with published errors."""
    figure = new_figure(5.6, width=11.0)
    results, track = stored["results"], candidates_for(stored["dataset"])
    best = winner_of(results)["name"]
    errors = [row["test_error"] * 100 for row in results]
    # Rows that lie far above would squeeze the candidates together; the table has them all.
    top = max(row["test_error_high"] * 100 for row in results) * 1.1
    published = [row for row in PUBLISHED.get(stored["dataset"], ()) if row.error * 100 <= top]
    lows = [row["test_error_low"] * 100 for row in results]
    bottom = min([*lows, *(row.error * 100 for row in published)]) * 0.9
    panels = figure.subplots(1, 2, sharey=True)
    fields = (("fit_seconds", "fit time, s (log)"), ("latency_ms", "one image, ms (log)"))
    for axes, (field, label) in zip(panels, fields, strict=True):
        x = [row[field] for row in results]
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(min(x) / 2, max(x) * 8)
        axes.set_ylim(bottom, top)
        for row in published:
            axes.axhline(row.error * 100, color=GREY, linewidth=0.7, linestyle=(0, (4, 3)))
        colours = [ORANGE if row["name"] == best else BLUE for row in results]
        axes.scatter(x, errors, c=colours, s=36, zorder=3)
        for px, row in zip(x, results, strict=True):
            span = [row["test_error_low"] * 100, row["test_error_high"] * 100]
            axes.plot([px, px], span, color=GREY, linewidth=1, zorder=2)
        plain_log_ticks(axes.xaxis)
        plain_log_ticks(axes.yaxis)
        axes.set_xlabel(label)
    panels[0].set_ylabel("test error, % (log)")
    # Names of close rows are pushed apart, upwards.
    height = -1.0
    for row in sorted(published, key=lambda row: row.error):
        own = np.log(row.error * 100 / bottom) / np.log(top / bottom)
        height = max(own, height + 0.035)
        panels[1].annotate(
            f"{row.method}, {row.error:.2%}",
            (1.0, own),
            xytext=(1.03, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            fontsize=6.5,
            color=INK,
            va="center",
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkB": 0},
        )
    panels[0].set_title("Error against fit time")
    panels[1].set_title("Error against latency")
    # Last, since room for the names of published rows makes the panels narrower.
    titles = [track[row["name"]].title for row in results]
    for axes, (field, _) in zip(panels, fields, strict=True):
        x = [row[field] for row in results]
        label_points(axes, x, errors, titles, [row["name"] == best for row in results])
    return figure


def render_report(stored: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    results, track = stored["results"], candidates_for(stored["dataset"])
    best = winner_of(results)
    hardware = stored["hardware"]
    rows = [
        [
            f"**{track[row['name']].title}**" if row is best else track[row["name"]].title,
            f"{row['validation_error']:.2%}",
            f"{row['test_error']:.2%}",
            f"{row['test_error_low']:.2%}–{row['test_error_high']:.2%}",
            f"{row['fit_seconds']:.0f}",
            f"{row['predict_seconds']:.1f}",
            f"{row['latency_ms']:.1f}",
            f"{row['model_bytes'] / 2**20:.1f}",
        ]
        for row in results
    ]
    columns = [
        "candidate",
        "validation error",
        "test error",
        "95 % interval",
        "fit, s",
        "predict test rows, s",
        "one image, ms",
        "size, MiB",
    ]
    published = [
        [row.method, f"{row.error:.2%}", row.source] for row in PUBLISHED.get(stored["dataset"], ())
    ]
    lines = [
        f"# The accuracy frontier on {stored['dataset']}\n",
        f"The winner on the validation rows is **{track[best['name']].title}**: "
        f"**{best['test_error']:.2%}** test error, fitted in {best['fit_seconds']:.0f} s. "
        "No network sees pixels: all candidates learn from gradient directions, or from maps of "
        "filters that were learned by clustering patches.\n",
        tabulate(rows, columns, tablefmt="github", disable_numparse=True),
        "\n![Test error against fit time and against latency](frontier.png)\n",
        "## Candidates\n",
        *(f"- **{track[r['name']].title}**: {track[r['name']].summary}" for r in results),
        *_trial_lines(stored),
        *_shortcut_lines(stored),
        "\n## Published errors\n",
        tabulate(published, ["method", "test error", "source"], tablefmt="github"),
        "\n## How it was measured\n",
        f"Candidates were ranked on {stored['n_validation']:,} validation rows, held out of the "
        f"{stored['n_train']:,} training rows; then each was refitted on all of them and scored "
        f"once on the {stored['n_test']:,} test rows. Times are wall times from raw pixels, each "
        f"candidate on {results[0]['n_threads']} of the {hardware['cores']} cores of an "
        f"{hardware['processor']}; other work on the machine inflates them. A committee's fit "
        "time is the sum of its members'. Made by `python -m benchmarks.frontier`.\n",
    ]
    return "\n".join(lines)


def _shortcut_lines(stored: dict[str, Any]) -> list[str]:
    if "shortcut" not in stored:
        return []
    short = stored["shortcut"]
    return [
        "\n## What the choice by margin saves\n",
        f"On {short['n_rows']:,} images with 8 copies of each, one thread: libsvm on all rows "
        f"takes {short['stock_fit_seconds']:.1f} s to fit and "
        f"{short['stock_predict_seconds']:.1f} s to predict {stored['n_validation']:,} images; "
        f"the virtual SVM takes {short['fit_seconds']:.1f} s and "
        f"{short['predict_seconds']:.1f} s "
        f"({short['stock_fit_seconds'] / short['fit_seconds']:.1f} and "
        f"{short['stock_predict_seconds'] / short['predict_seconds']:.1f} times faster, features "
        f"included). Labels agree on {short['agreement']:.2%} of the images; the errors are "
        f"{short['stock_error']:.2%} and {short['error']:.2%}. libsvm's time grows with the "
        "square of the rows, so the gap widens with more images.",
    ]


def _trial_lines(stored: dict[str, Any]) -> list[str]:
    if "trials" not in stored:
        return []
    trials = stored["trials"]
    rows = [
        [
            row["title"],
            f"{row['error']:.3%}",
            f"{row['fit_seconds']:.1f}",
            f"{row['predict_seconds']:.1f}",
        ]
        for row in trials["rows"]
    ]
    return [
        "\n## Variations tried\n",
        f"The convolution SVM on {trials['n_train']:,} training rows, on {trials['n_held_out']:,} "
        "other training rows; the test rows have no part in it. Two rows less than about 0.1 "
        "points apart are not told apart by so many images.\n",
        tabulate(
            rows,
            ["variation", "error", "fit, s", "predict, s"],
            tablefmt="github",
            disable_numparse=True,
        ),
    ]
