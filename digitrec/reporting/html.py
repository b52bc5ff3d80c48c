"""A report's Markdown as one self-contained HTML page."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from typing import Any

from digitrec.reporting.markdown import anchor

__all__ = ["render_html"]


def render_html(markdown: str, images: Mapping[str, bytes]) -> str:
    """Return Markdown as an HTML page that loads nothing.

    Raw HTML in the Markdown is shown as text. Pictures are embedded; one that is not among
    `images` is replaced by its description.

    Parameters
    ----------
    markdown : str
        The page, which starts with a heading of level 1.
    images : mapping of str to bytes
        PNG files by the stem under which ``figures/<stem>.png`` names them.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("image", _image_rule(images))
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    tokens = parser.parse(markdown)
    headings = _mark_headings(tokens)
    body = parser.renderer.render(tokens, parser.options, {})
    title = headings[0][2] if headings else "Report"
    links = "".join(
        f'<li><a href="#{escape(slug)}">{escape(text)}</a></li>'
        for level, slug, text in headings
        if level == 2
    )
    parts = {name: _asset(name) for name in ("report.css", "report.js")}
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{parts['report.css']}</style>\n</head>\n<body>\n"
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n<main>\n{body}</main>\n'
        f"<script>\n{parts['report.js']}</script>\n</body>\n</html>\n"
    )


def _mark_headings(tokens: Sequence[Any]) -> list[tuple[int, str, str]]:
    """Give headings the ids that the Markdown's links expect; return level, id and text."""
    found = []
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            text = "".join(
                child.content
                for child in inline.children
                if child.type in ("text", "code_inline", "text_special")
            )
            slug = anchor(text)
            opening.attrSet("id", slug)
            found.append((int(opening.tag[1:]), slug, text))
    return found


def _image_rule(images: Mapping[str, bytes]) -> Any:
    def render(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        alt = escape(self.renderInlineAsText(token.children, options, env))
        stem = str(token.attrs["src"]).removeprefix("figures/").removesuffix(".png")
        if stem not in images:
            return f"<em>{alt}</em>"
        content = images[stem]
        # Width and height stand at fixed places of a PNG's header.
        width, height = (int.from_bytes(content[start : start + 4]) for start in (16, 20))
        data = base64.b64encode(content).decode()
        return (
            f'<img src="data:image/png;base64,{data}" alt="{alt}" '
            f'width="{width}" height="{height}" loading="lazy">'
        )

    return render


def _table_open(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    return '<div class="table" role="region" aria-label="Table" tabindex="0"><table>\n'


def _table_close(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    return "</table></div>\n"


def _asset(name: str) -> str:
    """Return a file that lies beside this module."""
    return (resources.files("digitrec.reporting") / "assets" / name).read_text(encoding="utf-8")
