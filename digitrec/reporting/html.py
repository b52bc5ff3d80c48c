"""A report's Markdown as one self-contained HTML page."""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Mapping, Sequence
from html import escape, unescape
from importlib import resources
from typing import Any

from digitrec.rendering.markdown import anchor

MAX_UNBROKEN = 40  # characters in the first cell of a row that stay on one line


def render_html(
    markdown: str,
    images: Mapping[str, bytes],
    *,
    graphics: Mapping[str, str] | None = None,
    section: str = "",
) -> str:
    """Return Markdown as an HTML page that loads nothing.

    Raw HTML in the Markdown is shown as text. Pictures are embedded; one that is not among
    `images` is replaced by its description.

    Parameters
    ----------
    markdown : str
        The page, which starts with a heading of level 1.
    images : mapping of str to bytes
        PNG files by the stem under which ``figures/<stem>.png`` names them.
    graphics : mapping of str to str, optional
        HTML by stem that is shown in place of the picture: a chart as SVG, a table. It is taken
        as it is, so text in it must be escaped.
    section : str
        HTML with a heading of level 2 and an id, placed before the first heading of level 2; see
        `digitrec.reporting.explorer`. Taken as it is too.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("image", _image_rule(images))
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", _table_close)
    parser.add_render_rule("fence", _fence)
    tokens = parser.parse(markdown)
    tokens = _with_graphics(tokens, graphics or {})
    headings = _mark_headings(tokens)
    if section:
        tokens, headings = _with_section(tokens, headings, section)
    body = parser.renderer.render(tokens, parser.options, {})
    title = headings[0][2] if headings else "Report"
    links = "".join(
        f'<li><a href="#{escape(slug)}">{escape(text)}</a></li>'
        for level, slug, text in headings
        if level == 2
    )
    names = ("report", "explorer") if section else ("report",)
    styles = "\n".join(read_asset(f"{name}.css") for name in names)
    scripts = "\n".join(f"<script>\n{read_asset(f'{name}.js')}</script>" for name in names)
    contents = f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n'
    return html_page(title, styles, f"{contents}<main>\n{body}</main>\n{scripts}\n")


def html_page(title: str, styles: str, body: str, head: str = "") -> str:
    """Return a page that follows the light or dark theme."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n{head}'
        f"<title>{escape(title)}</title>\n<style>\n{styles}</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )


def _with_graphics(tokens: Sequence[Any], graphics: Mapping[str, str]) -> list[Any]:
    """Put HTML in place of the paragraphs that consist of one picture for which there is some."""
    from markdown_it.token import Token

    kept: list[Any] = []
    skip = 0
    for place, token in enumerate(tokens):
        if skip:
            skip -= 1
            continue
        inline = tokens[place + 1] if token.type == "paragraph_open" else None
        if inline is not None and [child.type for child in inline.children] == ["image"]:
            html = graphics.get(_stem(inline.children[0]))
            if html is not None:
                kept.append(Token("html_block", "", 0, content=html))
                skip = 2
                continue
        kept.append(token)
    return kept


def _with_section(
    tokens: list[Any], headings: list[tuple[int, str, str]], section: str
) -> tuple[list[Any], list[tuple[int, str, str]]]:
    """Put a section before the first heading of level 2, and its heading among the others."""
    from markdown_it.token import Token

    place = next(
        (i for i, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2"),
        len(tokens),
    )
    found = re.search(r"<h2[^>]* id=\"([^\"]+)\"[^>]*>(.*?)</h2>", section)
    entry = [(2, unescape(found[1]), unescape(found[2]))] if found else []
    before = sum(1 for token in tokens[:place] if token.type == "heading_open")
    return (
        [*tokens[:place], Token("html_block", "", 0, content=section), *tokens[place:]],
        [*headings[:before], *entry, *headings[before:]],
    )


def _stem(image: Any) -> str:
    return str(image.attrs["src"]).removeprefix("figures/").removesuffix(".png")


def _mark_headings(tokens: Sequence[Any]) -> list[tuple[int, str, str]]:
    """Give headings the ids that the Markdown's links expect; return level, id and text."""
    found = []
    for opening, inline in itertools.pairwise(tokens):
        if opening.type == "heading_open":
            text = _text(inline)
            slug = anchor(text)
            opening.attrSet("id", slug)
            opening.meta["text"] = text
            found.append((int(opening.tag[1:]), slug, text))
    return found


def _text(inline: Any) -> str:
    """Return what a reader sees of a token with children."""
    kinds = ("text", "code_inline", "text_special")
    return "".join(child.content for child in inline.children if child.type in kinds)


def _image_rule(images: Mapping[str, bytes]) -> Any:
    def render(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
        token = tokens[index]
        alt = escape(self.renderInlineAsText(token.children, options, env))
        stem = _stem(token)
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
    body = list(itertools.takewhile(lambda token: token.type != "table_close", tokens[index:]))
    heads = itertools.takewhile(lambda token: token.type != "thead_close", body)
    is_accuracy = any(token.content.startswith("validation accuracy") for token in heads)
    mark = " data-accuracy" if is_accuracy and not env.get("accuracy") else ""
    env["accuracy"] = env.get("accuracy") or is_accuracy
    firsts = (body[i + 2] for i, token in enumerate(body) if token.type == "tr_open")
    long = ' class="long"' * any(len(_text(cell)) > MAX_UNBROKEN for cell in firsts)
    headings = (token.meta["text"] for token in reversed(tokens[:index]) if "text" in token.meta)
    heading = next(headings, "")
    count = env[heading, "tables"] = env.get((heading, "tables"), 0) + 1
    label = f"Table: {heading}" + f" ({count})" * (count > 1)
    return (
        f'<div class="table" role="region" aria-label="{escape(label)}" tabindex="0">'
        f"<table{mark}{long}>\n"
    )


def _fence(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    """Let a block of code that is wider than the page be scrolled by keyboard."""
    html: str = self.fence(tokens, index, options, env)
    return html.replace("<pre>", '<pre tabindex="0">', 1)


def _table_close(self: Any, tokens: Sequence[Any], index: int, options: Any, env: Any) -> str:
    return "</table></div>\n"


def read_asset(name: str) -> str:
    """Return the content of a file in the folder of this module."""
    return (resources.files("digitrec.reporting") / "assets" / name).read_text(encoding="utf-8")
