"""The glance shows what is in a dataset as a reader would like it, and interprets none of its text."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.reports import ColumnFacts, Lengths
from core.web.dataset.overview import draw_lengths, draw_values
from core.web.reading import read_call, write_call
from core.web.session import open_bench
from core.workbench import Workbench
from tests.conftest import ROOT

FRAME = ROOT / "core" / "web" / "frame.py"
EVIL = '![x](http://evil/beacon) <img src="http://evil/x"> $x$ :red[y]'
CALL = {"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}


@pytest.fixture
def open_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Loads rows and opens the Dataset page on them."""

    def open_page(rows: list[dict]) -> AppTest:
        source = tmp_path / "rows.jsonl"
        source.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        with Workbench(tmp_path / "workspace") as bench:
            bench.ingest(source, "rows")
        monkeypatch.setenv("GLEANER_WORKSPACE", str(tmp_path / "workspace"))
        return AppTest.from_file(str(FRAME), default_timeout=180).run()

    yield open_page
    open_bench().close()
    st.cache_resource.clear()


def chat(*turns: dict, **more: object) -> dict:
    return {"messages": list(turns), **more}


def said(role: str, text: str, **more: object) -> dict:
    return {"role": role, "content": text, **more}


def captions(app: AppTest) -> list[str]:
    return [str(caption.value) for caption in app.caption]


def test_a_conversation_with_tools_is_readable(open_dataset) -> None:
    app = open_dataset(
        [
            chat(
                said("system", "Be kind."),
                said("user", "Weather?"),
                said("assistant", "", tool_calls=[CALL]),
                said("tool", '{"sky": "clear"}'),
                said("assistant", "It is clear."),
            )
        ]
    )
    assert not app.exception
    assert not app.error
    code = [element.value for element in app.code]
    assert 'weather(city="Paris")' in code
    assert '{\n  "sky": "clear"\n}' in code
    assert {"User", "Assistant calls", "Tool", "Assistant"} <= set(captions(app))
    assert "System message (8 characters)" in [expander.label for expander in app.expander]


def test_a_long_text_is_shortened_and_can_be_opened(open_dataset) -> None:
    long = "word " * 399 + "words"
    app = open_dataset([{"prompt": "p", "completion": long}])
    assert "Show all (2,000 characters)" in [expander.label for expander in app.expander]
    shown = [str(text.value) for text in app.text]
    assert long in shown
    assert any(text.endswith(" …") and len(text) < 500 for text in shown)


def test_dataset_text_is_never_markdown_in_the_glance(open_dataset) -> None:
    rows = [chat(said("user", EVIL), said("assistant", EVIL, name=EVIL), kind=EVIL) for _ in range(4)]
    rows += [chat(said("user", "p"), said("assistant", "r"), kind="other") for _ in range(4)]
    app = open_dataset(rows)
    assert not app.exception
    assert EVIL in [element.value for element in app.text]
    interpreted = "\n".join(str(element.value) for element in [*app.markdown, *app.caption])
    assert "](http" not in interpreted
    assert "<img" not in interpreted.replace("\\<", "")


def test_other_examples_are_shown_when_asked_for(open_dataset) -> None:
    app = open_dataset([{"prompt": f"question {i}", "completion": f"answer {i}"} for i in range(200)])
    before = [str(text.value) for text in app.text]
    assert len(before) == 40
    app.button(key="glance.others").click().run()
    after = [str(text.value) for text in app.text]
    assert not app.exception
    assert len(after) == 40
    assert before != after


def test_figures_of_the_glance_are_those_of_the_rows(open_dataset) -> None:
    app = open_dataset([{"prompt": "same", "completion": f"answer {i % 5}", "kind": i % 2} for i in range(10)])
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Several user turns"] == "0 %"
    assert figures["Said again"] == "50 %"
    assert figures["Characters"] == "120"
    assert "Tokens, about" in figures
    tables = "\n".join(str(element.value) for element in app.markdown)
    assert "| One prompt, different responses, 1 time | 10 |" in tables
    assert "Latin 100 %" in tables
    assert app.selectbox(key="glance.values.rows").options == ["kind"]


def test_a_call_is_written_as_code_whatever_its_arguments_are() -> None:
    assert write_call("f", {"a": 1, "b": "x"}) == 'f(a=1, b="x")'
    assert write_call("f", '{"a": [1]}') == "f(a=[1])"
    assert write_call("f", "not json") == "f(not json)"
    assert write_call("f", "") == "f()"
    assert write_call("f", [1]) == "f([1])"
    assert write_call("f", {"a": "x" * 90}).count("\n") == 2
    assert read_call('{"name": "f", "arguments": {"a": 1}}') == ("f", {"a": 1})
    assert read_call("{no json") is None
    assert read_call('{"name": 1, "arguments": {}}') is None
    assert read_call("text") is None


def test_the_lengths_keep_to_where_there_are_any() -> None:
    edges = [1, 10, 100, 1000]
    of = Lengths(0, 0, 0, 0, 0, edges, [0, 3, 0])
    figure = draw_lengths(of, of)
    assert list(figure.layout.xaxis.range) == [1, 2]
    assert list(figure.data[0].y) == [0, 3, 0, 0]
    assert draw_lengths(*[Lengths(0, 0, 0, 0, 0, [1, 2], [0])] * 2).data


def test_values_are_labels_without_tags_and_their_rest_is_one_bar() -> None:
    values = [(f"<b>v{i}</b>", 20 - i) for i in range(15)]
    figure = draw_values(ColumnFacts("c", 195, 5, 0, 0, ["text"], 15, values))
    assert figure.layout.yaxis.ticktext[-1] == "&lt;b&gt;v0&lt;/b&gt;"
    assert figure.layout.yaxis.ticktext[0] == "5 more values"
    assert sum(figure.data[0].x) == pytest.approx(97.5)
