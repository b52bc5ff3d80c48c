"""The page in a real browser. Every test also checks that nothing went wrong unseen:
no message on the console, no exception, and no request to another host."""

from __future__ import annotations

import base64
import contextlib
import io
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image, ImageDraw

DESKTOP = {"viewport": {"width": 1200, "height": 820}}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
WAIT = 120_000  # milliseconds; a busy machine may be slow


@pytest.fixture
def open_page(browser: Any, service_url: str) -> Iterator[Callable[..., Any]]:
    contexts: list[Any] = []
    troubles: list[str] = []
    hosts: set[str] = set()

    def run(options: dict[str, Any] = DESKTOP, path: str = "/", **more: Any) -> Any:
        context = browser.new_context(**options, **more)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(WAIT)
        page.on("console", lambda message: troubles.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.goto(service_url + path)
        if path == "/":  # the list of models moves the board when it arrives
            page.locator("#model option").first.wait_for(state="attached")
        return page

    yield run
    for context in contexts:
        context.close()
    assert troubles == []
    assert hosts - {urlsplit(service_url).netloc, ""} == set()


class Board:
    """The drawing board of a page, and a hand that draws recorded strokes on it."""

    def __init__(self, page: Any, strokes: dict[int, Any]) -> None:
        self.page = page
        self.strokes = strokes

    def points(self, stroke: Any, offset: float, scale: float) -> list[tuple[float, float]]:
        box = self.page.locator("#pad").bounding_box()
        centre = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        unit = box["height"]
        return [
            (centre[0] + ((x - 0.5) * scale + offset) * unit, centre[1] + (y - 0.5) * scale * unit)
            for x, y in stroke
        ]

    def stroke(self, stroke: Any, offset: float = 0.0, scale: float = 1.0) -> None:
        first, *others = self.points(stroke, offset, scale)
        self.page.mouse.move(*first)
        self.page.mouse.down()
        for point in others:
            self.page.mouse.move(*point)
        self.page.mouse.up()

    def draw(self, digit: int, offset: float = 0.0, scale: float = 1.0) -> None:
        for stroke in self.strokes[digit]:
            self.stroke(stroke, offset, scale)

    def touch(self, digit: int) -> None:
        """Draw with a finger, by the browser's own input events."""
        session = self.page.context.new_cdp_session(self.page)

        def send(kind: str, *points: tuple[float, float]) -> None:
            touches = [{"x": x, "y": y} for x, y in points]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

        for stroke in self.strokes[digit]:
            first, *others = self.points(stroke, 0.0, 1.0)
            send("touchStart", first)
            for point in others:
                send("touchMove", point)
            send("touchEnd")

    def shows(self, answer: str) -> None:
        pattern = re.compile(rf"^\s*{re.escape(answer)}\s*$")
        self.page.locator("#answer").filter(has_text=pattern).wait_for()

    def verdict(self, pattern: str) -> None:
        self.page.locator("#verdict").filter(has_text=re.compile(pattern)).wait_for()

    def clear(self) -> None:
        self.page.click("#clear")
        self.verdict("Nothing drawn")


def ink(page: Any, canvas: str) -> int:
    """Return how many pixels of a canvas are painted."""
    return int(
        page.evaluate(
            """(id) => {
              const source = document.getElementById(id);
              const c = new OffscreenCanvas(source.width, source.height);
              const context = c.getContext("2d", { willReadFrequently: true });
              context.drawImage(source, 0, 0);
              const d = context.getImageData(0, 0, c.width, c.height).data;
              let n = 0;
              for (let i = 0; i < d.length; i += 4) n += d[i] + d[i+1] + d[i+2] > 60 && d[i+3] > 0;
              return n;
            }""",
            canvas,
        )
    )


def number_image(board: Board, digits: list[int], size: tuple[int, int]) -> bytes:
    """Return recorded strokes as a PNG of dark ink on light grey paper."""
    image = Image.new("L", size, 225)
    pen = ImageDraw.Draw(image)
    unit = size[1]
    for i, digit in enumerate(digits):
        left = size[0] / 2 + (i - (len(digits) - 1) / 2 - 0.5) * unit * 0.62
        for stroke in board.strokes[digit]:
            points = [(left + x * unit, y * unit) for x, y in stroke]
            pen.line(points, fill=40, width=unit // 16, joint="curve")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def test_each_digit_is_recognised_while_it_is_drawn(open_page: Any, strokes: Any) -> None:
    page = open_page()
    board = Board(page, strokes)
    for digit in range(10):
        board.draw(digit)
        board.shows(str(digit))
        board.verdict("% sure")
        assert page.locator("#bars li.top b").inner_text() == str(digit)
        assert ink(page, "seen") > 30
        board.clear()
        board.shows("–")
        assert ink(page, "seen") == 0


def test_undo_takes_back_one_stroke(open_page: Any, strokes: Any) -> None:
    page = open_page()
    board = Board(page, strokes)
    undo = page.locator("#undo")
    assert undo.is_disabled()
    board.draw(7)
    board.shows("7")
    board.stroke([(0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9), (0.1, 0.1)])
    undo.click()
    board.shows("7")
    page.keyboard.press("Control+z")
    board.verdict("Nothing drawn")
    assert undo.is_disabled()


def test_several_digits_are_read_at_once(open_page: Any, strokes: Any) -> None:
    page = open_page()
    board = Board(page, strokes)
    for i, digit in enumerate((4, 0, 7)):
        board.draw(digit, offset=-0.42 + 0.42 * i, scale=0.7)
    board.shows("407")
    buttons = page.locator("#digits button")
    assert buttons.all_inner_texts() == ["4", "0", "7"]
    buttons.nth(2).click()
    assert page.locator("#bars li.top b").inner_text() == "7"
    assert ink(page, "overlay") > 50
    page.get_by_label("One digit").check()
    page.locator("#digits").wait_for(state="hidden")


def test_an_empty_board_has_no_digit_and_sends_nothing(open_page: Any, strokes: Any) -> None:
    page = open_page()
    board = Board(page, strokes)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    board.verdict("Nothing drawn")
    assert page.locator("#clear").is_disabled()
    page.get_by_label("Several digits").check()
    page.wait_for_timeout(300)
    board.shows("–")
    assert sent == []


def test_a_blank_photo_has_no_digit(open_page: Any, strokes: Any) -> None:
    page = open_page()
    board = Board(page, strokes)
    image = number_image(board, [], (400, 300))
    page.set_input_files("#file", {"name": "x.png", "mimeType": "image/png", "buffer": image})
    board.verdict("No digit")
    board.shows("–")
    assert page.locator("#detail").inner_text() != ""
    assert "Best guess" not in page.locator("#detail").inner_text()


def test_a_drawing_that_is_refused_shows_the_best_guess(open_page: Any, strokes: Any) -> None:
    page = open_page()
    board = Board(page, strokes)
    for corner in ((0.1, 0.1), (0.9, 0.15), (0.15, 0.85), (0.85, 0.9), (0.5, 0.5)):
        board.stroke([corner, (corner[0] * 0.2 + 0.4, 0.8 - corner[1] * 0.6), corner])
    board.verdict("No digit")
    detail = page.locator("#detail")
    detail.filter(has_text=re.compile(r"Best guess: \d, [\d.]+ % sure")).wait_for()


def test_a_photo_is_read_with_boxes(open_page: Any, strokes: Any) -> None:
    page = open_page()
    board = Board(page, strokes)
    image = number_image(board, [3, 1, 5, 2], (900, 300))
    page.set_input_files("#file", {"name": "x.png", "mimeType": "image/png", "buffer": image})
    board.shows("3152")
    assert ink(page, "overlay") > 100
    assert page.locator("#stage.photo").count() == 1
    board.clear()
    assert page.locator("#stage.photo").count() == 0
    assert ink(page, "overlay") == 0
    board.draw(2)
    board.shows("2")


def test_a_photo_can_be_dropped_or_pasted(open_page: Any, strokes: Any) -> None:
    page = open_page()
    board = Board(page, strokes)
    for event, digit in (("drop", 6), ("paste", 8)):
        encoded = base64.b64encode(number_image(board, [digit], (300, 300))).decode()
        page.evaluate(
            """([event, encoded]) => {
              const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
              const data = new DataTransfer();
              data.items.add(new File([bytes], "x.png", { type: "image/png" }));
              const init = { bubbles: true, cancelable: true };
              document.getElementById("stage").dispatchEvent(event === "drop"
                ? new DragEvent("drop", { ...init, dataTransfer: data })
                : new ClipboardEvent("paste", { ...init, clipboardData: data }));
            }""",
            [event, encoded],
        )
        board.shows(str(digit))
        board.clear()


def test_a_large_photo_is_scaled_before_it_is_sent(open_page: Any, strokes: Any) -> None:
    page = open_page()
    board = Board(page, strokes)
    sizes: list[int] = []
    page.on(
        "request",
        lambda request: (
            sizes.append(len(request.post_data_buffer or b"")) if request.method == "POST" else None
        ),
    )
    noise = np.random.default_rng(0).integers(0, 20, (2400, 3200), dtype=np.uint8)
    paper = Image.open(io.BytesIO(number_image(board, [5], (3200, 2400))))
    image = Image.fromarray(np.asarray(paper) - noise)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    assert buffer.tell() > 4 * 2**20
    page.set_input_files(
        "#file", {"name": "x.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
    )
    board.shows("5")
    assert max(sizes) < 2**20


def test_a_file_that_is_no_image_is_named(open_page: Any, strokes: Any) -> None:
    page = open_page()
    page.set_input_files("#file", {"name": "x.png", "mimeType": "image/png", "buffer": b"nothing"})
    Board(page, strokes).verdict("not an image")


def test_the_keyboard_alone_draws(open_page: Any, strokes: Any) -> None:
    page = open_page()
    page.locator("#pad").focus()
    page.keyboard.press("Space")
    for _ in range(20):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    board = Board(page, strokes)
    board.shows("1")
    page.locator("#live").filter(has_text=re.compile("^1[.]")).wait_for(state="attached")
    page.keyboard.press("Delete")
    board.verdict("Nothing drawn")


def test_every_control_has_a_name_and_is_reached_by_tab(open_page: Any) -> None:
    page = open_page()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"model", "mode", "pad", "brush", "file"} <= set(reached)
    snapshot = page.locator("body").aria_snapshot()
    for name in ("Drawing area", "Undo", "Clear", "Brush", "Model", "Open image", "Automatic"):
        assert name in snapshot, name


def test_another_model_can_be_chosen(open_page: Any, strokes: Any) -> None:
    page = open_page()
    board = Board(page, strokes)
    board.draw(3)
    board.shows("3")
    page.select_option("#model", "other")
    page.locator("#timing").filter(has_text="other").wait_for()
    board.shows("3")


def test_a_wider_brush_paints_more(open_page: Any, strokes: Any) -> None:
    page = open_page(color_scheme="dark")
    board = Board(page, strokes)
    painted = []
    for size in ("4", "12"):
        page.locator("#brush").fill(size)
        board.draw(1)
        painted.append(ink(page, "pad"))
        board.clear()
    assert painted[1] > 1.5 * painted[0]


def test_stale_answers_are_dropped(open_page: Any, strokes: Any) -> None:
    page = open_page()
    board = Board(page, strokes)
    held: list[Any] = []
    page.route("**/predict?**", lambda route: held.append(route))
    board.draw(3)
    page.wait_for_timeout(400)
    page.unroute("**/predict?**")
    board.clear()
    board.draw(0)
    board.shows("0")
    for route in held:
        with contextlib.suppress(Exception):  # the page has given these requests up
            route.continue_()
    page.wait_for_timeout(400)
    board.shows("0")


def test_a_phone_draws_with_a_finger_and_does_not_scroll(open_page: Any, strokes: Any) -> None:
    page = open_page(PHONE)
    board = Board(page, strokes)
    for digit in (3, 4):
        board.touch(digit)
        board.shows(str(digit))
        assert page.evaluate("window.scrollY") == 0
        page.tap("#clear")
        board.verdict("Nothing drawn")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    # The board, its tools and the answer fit on the screen together.
    for selector in ("#answer", "#pad", "#undo", "#clear"):
        box = page.locator(selector).bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 844
    assert page.locator("#camera").get_attribute("capture") == "environment"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(open_page: Any, scheme: str) -> None:
    page = open_page(color_scheme=scheme)
    colours = page.evaluate(
        """() => {
          const style = getComputedStyle(document.documentElement);
          const probe = document.createElement("i");
          document.body.append(probe);
          return Object.fromEntries(["text", "soft", "card", "page", "accent", "on-accent", "warn"]
            .map((name) => {
              probe.style.color = style.getPropertyValue(`--${name}`);
              return [name, getComputedStyle(probe).color.match(/\\d+/g).map(Number)];
            }));
        }"""
    )

    def luminance(colour: list[int]) -> float:
        linear = [
            c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4
            for c in (value / 255 for value in colour)
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(a: str, b: str) -> float:
        light, dark = sorted((luminance(colours[a]), luminance(colours[b])), reverse=True)
        return (light + 0.05) / (dark + 0.05)

    pairs = [("text", "page"), ("text", "card"), ("soft", "card"), ("soft", "page")]
    for a, b in [*pairs, ("on-accent", "accent"), ("warn", "card")]:
        assert contrast(a, b) >= 4.5, (scheme, a, b)


def test_the_documentation_works_without_internet(open_page: Any) -> None:
    page = open_page(path="/docs")
    page.get_by_text("Recognise images of one digit each").wait_for()
    page.get_by_text("Open Inference Protocol v2").first.wait_for()


def test_page_and_documentation_work_under_a_path_of_a_proxy_with_a_key(
    browser: Any, guarded_url: str, strokes: Any
) -> None:
    page = browser.new_page(**DESKTOP)
    troubles: list[str] = []
    page.on("console", lambda message: troubles.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    outside: list[str] = []
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((f"{guarded_url}/", "blob:", "data:"))
            else outside.append(request.url)
        ),
    )
    try:
        page.set_default_timeout(WAIT)
        page.goto(f"{guarded_url}/")
        for key in ("wrong", "open sesame"):
            page.get_by_label("This service asks for a key").fill(key)
            page.get_by_role("button", name="Use key").click()
        page.locator("#key-form").wait_for(state="hidden")
        page.locator("#model option").first.wait_for(state="attached")
        board = Board(page, strokes)
        board.draw(3)
        board.shows("3")
        page.get_by_role("link", name="API").click()
        page.locator("#operations-operations-health_health_get").click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        page.locator(".live-responses-table").get_by_text("200").first.wait_for()
    finally:
        page.close()
    # Without the key the browser itself tells of a refusal.
    assert [trouble for trouble in troubles if "401" not in trouble] == []
    assert outside == []
