"""Sections of a report: Markdown and figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from digitrec.rendering.markdown import escape

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class FigureSpec:
    """A figure that a section shows.

    Attributes
    ----------
    name : str
        Stem of the file, unique within the report.
    alt : str
        What the figure shows, for readers who do not see it.
    draw : callable
        ``draw() -> matplotlib.figure.Figure``.
    """

    name: str
    alt: str
    draw: Callable[[], Figure]

    @property
    def markdown(self) -> str:
        """The Markdown that shows the figure."""
        return f"![{escape(self.alt)}](figures/{self.name}.png)"


@dataclass(frozen=True)
class Content:
    """Markdown of a section, and the figures that it shows."""

    markdown: str
    figures: tuple[FigureSpec, ...] = ()

    @classmethod
    def of(cls, *parts: str | FigureSpec | Content | None) -> Content:
        """Put Markdown, figures and contents below each other; None is left out."""
        kept = [part for part in parts if part is not None]
        figures: list[FigureSpec] = []
        for part in kept:
            if not isinstance(part, str):
                figures += [part] if isinstance(part, FigureSpec) else part.figures
        texts = [part if isinstance(part, str) else part.markdown for part in kept]
        return cls("\n\n".join(texts), tuple(figures))


@dataclass(frozen=True)
class Section:
    """One part of the report.

    Attributes
    ----------
    name : str
        lower_snake name by which the section is known.
    build : callable
        ``build(context: digitrec.analyses.ReportContext) -> Content or None``; a pure function.
        None leaves the section out, because the run has nothing for it.
    order : int
        Place in the report, ascending.
    """

    name: str
    build: Callable[[Any], Content | None]
    order: int
