"""The token lens in a browser: readable in every shade, white space that is seen, numbers from key to key."""

import json
import re

import pytest
from playwright.sync_api import Page

from core.records import SpokenTurn
from core.web.example.lens import CIVIDIS, DIVERGING, FOLDER, deepest, token_lens

GROUNDS = {"light": ("#FFFFFF", "#1B1F24"), "dark": ("#0F1216", "#E6E9EE")}
PIECES = ["Fine", ":", "\n\n", "  ", "<b>x</b>", "你", "", " end"]


def draw(page: Page, ground: str, values: list[float], *, is_difference: bool, pieces: list[str] | None = None) -> None:
    """The component on a page of its own, as Streamlit mounts it."""
    background, text = GROUNDS[ground]
    html, css, js = ((FOLDER / f"lens.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    variables = f"--st-background-color: {background}; --st-text-color: {text}; --st-secondary-background-color: #888"
    page.set_content(f'<style>{css}</style><div id="host" style="{variables}; width: 600px">{html}</div>')
    page.add_script_tag(content=f"{js}\nwindow.renderLens = renderLens;", type="module")
    data = {
        "pieces": pieces or [f" w{i}" for i in range(len(values))],
        "cut": "never read",
        "values": values,
        "most": deepest(values),
        "title": "ΔNLL",
        "unit": "nats",
        "ramp": [DIVERGING[0], DIVERGING[-1]] if is_difference else CIVIDIS[::4],
        "is_difference": is_difference,
    }
    page.wait_for_function("window.renderLens !== undefined")
    page.evaluate(f"renderLens({{ parentElement: document.getElementById('host'), data: {json.dumps(data)} }})")


def contrast(one: str, other: str) -> float:
    """WCAG 2's, of two colours as the browser writes them."""

    def luminance(colour: str) -> float:
        shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ground", ["light", "dark"])
@pytest.mark.parametrize("is_difference", [True, False])
def test_every_shade_can_be_read(ground: str, is_difference: bool, page: Page) -> None:
    values = [(i - 100) / 50 if is_difference else i / 50 for i in range(201)]
    draw(page, ground, values, is_difference=is_difference)
    colours = page.eval_on_selector_all(
        ".token", "spans => spans.map(s => [getComputedStyle(s).backgroundColor, getComputedStyle(s).color])"
    )
    assert len(colours) == 201
    assert len({background for background, _ in colours}) > 60
    assert min(contrast(*pair) for pair in colours) >= 4.5


def test_white_space_is_seen_and_line_breaks_stay(page: Page) -> None:
    draw(page, "light", [1.0] * len(PIECES), is_difference=False, pieces=PIECES)
    shown = page.eval_on_selector_all(".token", "spans => spans.map(s => s.textContent)")
    assert shown == ["Fine", ":", "↵\n↵\n", "··", "<b>x</b>", "你", "", " end"]
    assert page.locator(".token b").count() == 0
    assert page.locator(".cut").inner_text() == "never read"


def test_the_arrow_keys_go_from_token_to_token_and_no_further(page: Page) -> None:
    draw(page, "light", [-0.5, 0.25, 0, 0, 0, 1, 1, 1], is_difference=True, pieces=PIECES)
    page.evaluate("window.heard = 0; document.addEventListener('keydown', () => window.heard++)")
    page.locator(".tokens").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".tip").inner_text() == "ΔNLL −0.5 nats, token 1 of 8: “Fine”"
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    assert "token 8 of 8" in page.locator(".tip").inner_text()
    assert page.evaluate("window.heard") == 0
    page.keyboard.press("p")
    assert page.evaluate("window.heard") == 1
    page.keyboard.press("Escape")
    assert page.locator(".tip").is_hidden()


def test_tokens_without_their_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="2 tokens have 1 values"):
        token_lens(SpokenTurn(["a", "b"], ""), [1.0], "nll", 1.0, key="x")
