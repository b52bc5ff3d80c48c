import string
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from digitrec.rendering import markdown

PARSER = MarkdownIt("commonmark", {"html": False}).enable("table")


def cell_texts(source):
    """Return the text of each cell of the body of a table, markup taken away."""
    tokens = PARSER.parse(source)
    return [
        "".join(child.content for child in inline.children)
        for cell, inline in pairwise(tokens)
        if cell.type == "td_open"
    ]


@given(st.text(alphabet=string.printable, min_size=1, max_size=30))
def test_escaped_text_is_shown_as_it_is(text):
    plain = " ".join(text.split())
    if not plain:
        return
    source = markdown.table(["a", "b"], [[markdown.escape(text), "x"]], "lr")
    assert cell_texts(source) == [plain, "x"]


@given(st.text(alphabet="ab|`\\ ", min_size=1, max_size=12))
def test_code_keeps_its_cell(text):
    source = markdown.table(["a", "b"], [[markdown.code(text), "x"]], "lr")
    assert len(cell_texts(source)) == 2


def test_code_blocks_survive_fences_within():
    tokens = PARSER.parse(markdown.code_block("```\nx\n```", "sh"))
    assert [token.content for token in tokens] == ["```\nx\n```\n"]


@pytest.mark.parametrize(
    ("call", "shown"),
    [
        (markdown.percent(0.99364), "99.36"),
        (markdown.percent(0.5, 0.01), "50.00 ± 1.00"),
        (markdown.percent(None), "–"),
        (markdown.seconds(0.004), "0.0040"),
        (markdown.seconds(12.34), "12.3"),
        (markdown.seconds(1234.5), "1,234"),
        (markdown.number(None, 3), "–"),
        (markdown.anchor("T-shirt/top & more"), "t-shirttop--more"),
    ],
)
def test_numbers_and_anchors(call, shown):
    assert call == shown
