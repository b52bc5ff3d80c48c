"""The report and the figure of the frontier benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks._common import measured_with
from benchmarks._frontier_candidates import candidates_for
from digitrec.rendering.markdown import table, table_of
from digitrec.rendering.style import (
    BLUE,
    GREY,
    ORANGE,
    label_points,
    new_figure,
    plain_log_ticks,
    styled,
)
from digitrec.reporting.published_errors import PUBLISHED

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _title(stored: dict[str, Any], members: list[str]) -> str:
    track = candidates_for(stored["dataset"])
    return " + ".join(track[name].title for name in members)


@styled
def frontier_figure(stored: dict[str, Any]) -> Figure:
    """Draw held-out error against training time, and the winner's test error among published."""
    results, winner = stored["results"], stored["winner"]
    published = sorted(PUBLISHED.get(stored["dataset"], ()), key=lambda row: -row.error)
    figure = new_figure(5.2, width=11.0)
    left, right = figure.subplots(1, 2)
    x = [row["processor_seconds"] for row in results]
    errors = [row["held_out_error"] * 100 for row in results]
    best = [row is results[0] for row in results]
    single = [len(row["members"]) == 1 for row in results]
    left.set_xscale("log")
    left.set_xlim(min(x) / 2, max(x) * 3)
    colours = [ORANGE if b else BLUE if s else GREY for b, s in zip(best, single, strict=True)]
    left.scatter(x, errors, c=colours, s=36, zorder=3)
    plain_log_ticks(left.xaxis)
    left.set_xlabel("processor time of training, s (log)")
    left.set_ylabel("error on rows held out, %")
    left.set_title("Candidates and the ten best means")
    names = [row.method for row in published]
    right.scatter([row.error * 100 for row in published], names, c=GREY, s=28, zorder=3)
    right.scatter([winner["test_error"] * 100], ["the winner"], c=ORANGE, s=36, zorder=3)
    span = [winner["test_error_low"] * 100, winner["test_error_high"] * 100]
    right.plot(span, ["the winner"] * 2, color=ORANGE, linewidth=1.5)
    right.set_xscale("log")
    plain_log_ticks(right.xaxis)
    right.tick_params(axis="y", labelsize=7)
    right.set_xlabel("test error, % (log)")
    right.set_title("The winner among published errors")
    # Last, since the names of published methods make the panels narrower.
    labelled = [i for i in range(len(results)) if single[i] or best[i]]
    label_points(
        left,
        [x[i] for i in labelled],
        [errors[i] for i in labelled],
        ["the winner" if best[i] else _title(stored, results[i]["members"]) for i in labelled],
        [best[i] for i in labelled],
        legend={"loc": "outside lower left", "ncols": 3},
    )
    return figure


def render_report(stored: dict[str, Any]) -> str:
    """Return the report as Markdown."""
    results, winner = stored["results"], stored["winner"]
    track = candidates_for(stored["dataset"])
    best = results[0]

    def title(row: dict[str, Any]) -> str:
        found = _title(stored, row["members"])
        return f"**{found}**" if row is best else found

    columns: dict[str, Any] = {
        "candidate, or mean of candidates": title,
        "held-out error": "{held_out_error:.3%}",
        "log loss": "{log_loss:.4f}",
        "misread by it alone / by the winner alone": lambda row: (
            "" if row is best else f"{row['only_this_wrong']} / {row['only_winner_wrong']}"
        ),
        "p": lambda row: "" if row is best else f"{row['p_value']:.2g}",
        "processor time of training, s": "{processor_seconds:.0f}",
    }
    published = [
        [row.method, f"{row.error:.2%}", row.source] for row in PUBLISHED.get(stored["dataset"], ())
    ]
    corrected = best["held_out_error"] + stored["selection_bias"]
    n_members = len(best["members"])
    of_members = "" if n_members == 1 else f"the mean of the probabilities of {n_members} models, "
    singles = [row["members"][0] for row in results if len(row["members"]) == 1]
    lines = [
        f"# The accuracy frontier on {stored['dataset']}\n",
        f"The winner on rows held out of the training rows has **{winner['test_error']:.2%}** test "
        f"error ({winner['test_error_low']:.2%}–{winner['test_error_high']:.2%}), trained in "
        f"{winner['fit_seconds']:.0f} s: {of_members}{_title(stored, best['members'])}. "
        "No network sees pixels: all candidates learn from maps of edges, gradients or filters.\n",
        table_of(results, columns),
        "\n![Held-out error against training time; test error among published ones]"
        "(figures/frontier.png)\n",
        "## Candidates\n",
        *(f"- **{track[name].title}**: {track[name].summary}" for name in singles),
        "\n## How the winner was chosen\n",
        f"{stored['n_candidates']} candidates were fitted to {stored['n_fitted']:,} of the "
        f"{stored['n_train']:,} training rows. On the other {stored['n_held_out']:,} rows, the "
        f"same for all, every mean of the probabilities of up to six of them was compared: "
        f"{stored['n_means']:,} means. The one with the lowest log loss won; the table shows the "
        "ten best and every single candidate. p is that of McNemar's exact test against the "
        "winner, on the rows that only one of the two misreads.\n",
        "The best of so many looks better than it is. Choosing on rows drawn with replacement and "
        "scoring on the rows not drawn, 500 times, shows by how much: the chosen one's error is "
        f"{100 * stored['selection_bias']:.3f} points higher on rows that it was not chosen on. "
        f"So the winner's held-out error of {best['held_out_error']:.3%} stands for "
        f"{corrected:.3%}.\n",
        "## The winner\n",
        f"Its members were fitted again, to all {stored['n_train']:,} training rows, one after the "
        f"other on {winner['n_threads']} thread{'s' * (winner['n_threads'] > 1)}: "
        f"{winner['fit_seconds']:.0f} s from raw pixels. "
        f"It was scored once on the {stored['n_test']:,} test rows, which takes "
        f"{winner['predict_seconds']:.1f} s; a single image takes {winner['latency_ms']:.1f} ms. "
        f"The saved model has {winner['model_bytes'] / 2**20:.1f} MiB. Other work on the machine "
        "inflates these times; `python -m benchmarks.frontier --retime` measures them again.",
        *_shortcut_lines(stored),
        "\n## Published errors\n",
        table(["method", "test error", "source"], published, "lrl"),
        "",
        measured_with(winner),
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
        f"{short['stock_predict_seconds']:.1f} s to predict {short['n_predicted']:,} images; "
        f"the virtual SVM takes {short['fit_seconds']:.1f} s and "
        f"{short['predict_seconds']:.1f} s "
        f"({short['stock_fit_seconds'] / short['fit_seconds']:.1f} and "
        f"{short['stock_predict_seconds'] / short['predict_seconds']:.1f} times faster, features "
        f"included). Labels agree on {short['agreement']:.2%} of the images; the errors are "
        f"{short['stock_error']:.2%} and {short['error']:.2%}. libsvm's time grows with the "
        "square of the rows, so the gap widens with more images.",
    ]
