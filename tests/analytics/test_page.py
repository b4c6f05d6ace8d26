"""One page for all reports: kept as JSON, read back, and safe to show whatever comes from outside."""

import base64
import json
import re
from importlib.resources import files

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs
from pydantic import ValidationError

from quantray.analytics.bootstrap import Estimate, Interval
from quantray.analytics.figures import Picture
from quantray.analytics.page import (
    _CARTESIAN,
    Cell,
    Column,
    Note,
    Page,
    Rows,
    Section,
    Table,
    chart,
    concluded,
    money,
    ranged,
    shown,
    signed,
)

EVIL = "</script><script>alert(1)</script>"


def table_of(*rows, **changes):
    columns = ("name", Column(title="words", text=True), Column(title="number", colour="#123456"))
    return Table(columns=columns, groups=(Rows(title="first group", rows=rows),), **changes)


def page_of(**changes):
    table = table_of(("a", Cell(text="left", hint="hint"), Cell(text="1.5", below="1 to 2", best=True)))
    values = {
        "title": "A study",
        "meta": "data and dates",
        "headline": "It helped.",
        "sections": (Section(title="Results", note="a note", parts=(table, Note(text="more"))),),
        "summary": table,
    }
    return Page(**(values | changes))


def estimate(low, high, mean=None):
    return Estimate((low + high) / 2 if mean is None else mean, 0.1, Interval(low, high, 0.95), 0.5, 100)


def test_a_page_comes_back_from_its_json():
    page = page_of(warnings=("Beware.",), findings=("One.", "Two."))
    assert Page.model_validate_json(page.model_dump_json()) == page
    with pytest.raises(ValidationError):
        Page.model_validate_json(page.model_dump_json().replace('"headline"', '"headlin"'))


def test_everything_is_shown_once_in_order():
    html = page_of(warnings=("Beware.",), findings=("One.", "Two.")).html(("Digest abc.",), {"a.b": "c"})
    order = [
        "<h1>A study",
        "data and dates",
        "It helped.",
        "Beware.",
        "One.",
        "Two.",
        "Results",
        "a note",
        "first group",
    ]
    order += ["left", "hint", "1.5", "1 to 2", "more", "Settings and reproduction", "Digest abc.", "a.b"]
    places = [html.index(f">{text}") if f">{text}" in html else html.index(text) for text in order[1:]]
    assert places == sorted(places)
    assert "Findings" not in html
    # Words stand to the left, and the best is marked.
    assert re.search(r'<td class="text">left', html)
    assert re.search(r'<td class="best">1.5', html)
    assert "background: #123456" in html


def test_a_folded_table_waits_for_a_click():
    folded = table_of(("a", "b", "c"), folded="All 3 strategies")
    html = page_of(sections=(Section(title="x", parts=(folded,)),)).html((), {})
    assert "<details><summary>All 3 strategies</summary>" in html


def drawn(html):
    """The first picture of a page, and what its pictures share."""
    figure = re.search(r'draw\("chart[-\d]+", (\{.*?\})\);</script>', html)[1]
    return json.loads(figure), json.loads(re.search(r"const shared = (\[.*\]);\n", html)[1])


def test_what_pictures_repeat_is_there_once():
    days = [f"2024-01-{day:02}" for day in range(1, 29)]
    lines = [chart(name, Picture(go.Figure(go.Scatter(x=days, y=np.arange(28.0))), "")) for name in ("One", "Two")]
    html = page_of(sections=tuple(lines)).html([], {})
    assert html.count("2024-01-17") == 1
    figure, shared = drawn(html)
    assert shared[figure["data"][0]["x"]["shared"]] == days
    assert "colorway" in shared[figure["layout"]["template"]["shared"]]["layout"]
    numbers = figure["data"][0]["y"]
    assert numbers["dtype"] == "f4"
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(numbers["bdata"]), "f4"), np.arange(28.0))


def test_pictures_carry_their_numbers_and_need_no_network():
    picture = Picture(go.Figure(go.Bar(x=["a"], y=[3.25])).update_layout(height=321), "what it shows")
    html = page_of(sections=(chart("Bars", picture),)).html((), {})
    assert "what it shows" in html
    assert "height: 321px" in html
    figure, shared = drawn(html)
    assert figure["data"][0]["y"] == [3.25]
    assert shared[figure["data"][0]["x"]["shared"]] == ["a"]
    assert 'src="http' not in html


@pytest.mark.parametrize(
    "place", ["title", "meta", "headline", "warnings", "cell", "column", "note", "chart", "settings"]
)
def test_no_script_comes_in(place):
    changes, reproduction, settings = {}, (), {}
    if place in ("title", "meta", "headline"):
        changes[place] = EVIL
    elif place == "warnings":
        changes[place], reproduction = (EVIL,), (EVIL,)
    elif place == "settings":
        settings = {EVIL: EVIL}
    elif place == "chart":
        picture = Picture(go.Figure(go.Bar(x=[EVIL, "<!--"], y=np.array([1, 2]), name=EVIL)), EVIL)
        changes["sections"] = (chart(EVIL, picture),)
    else:
        cell = Cell(text=EVIL, below=EVIL, hint=EVIL) if place == "cell" else "x"
        columns = (Column(title=EVIL), EVIL) if place == "column" else ("a", "b")
        table = Table(columns=columns, groups=(Rows(title=EVIL, rows=((cell, EVIL),)),), folded=EVIL)
        changes["sections"] = (Section(title=EVIL, note=EVIL, parts=(table, Note(text=EVIL))),)
    html = page_of(**changes).html(reproduction, settings)
    assert "<script>alert(1)" not in html
    assert "<!--" not in html.split("</head>")[1]
    assert "alert(1)" in html


def test_an_interval_decides_what_is_said():
    words = {"helped": "better", "hurt": "worse", "unsure": "who knows"}
    assert concluded(estimate(0.1, 0.2), **words) == "better"
    assert concluded(estimate(-0.2, -0.1), **words) == "worse"
    assert concluded(estimate(-0.1, 0.2), **words) == "who knows"
    assert concluded(estimate(0.0, 0.2), **words) == "who knows"
    assert concluded(estimate(0.1, 0.2), maximise=False, **words) == "worse"
    assert concluded(estimate(-0.2, -0.1), maximise=False, **words) == "better"


def test_numbers_become_text():
    assert [shown(value, ".2f") for value in (1.234, None, float("nan"))] == ["1.23", "–", "–"]
    assert ranged(estimate(0.1, 0.25), ".2f") == "0.10 to 0.25"
    assert ranged(None) == ""
    assert signed(estimate(-0.1, 0.3)) == "+0.10, 95% interval -0.10 to +0.30"
    assert signed(None) == "–"


@pytest.mark.parametrize(("value", "text"), [(1e8, "100M"), (2.5e9, "2.5B"), (1e12, "1T"), (999, "999"), (5e4, "50K")])
def test_money_in_words(value, text):
    assert money(value) == text


BUNDLE = (files("quantray.analytics") / "static" / "plotly-cartesian.min.js").read_text("utf-8")


@pytest.mark.parametrize(
    ("trace", "small"),
    [(go.Bar(y=[1, 2]), True), (go.Heatmap(z=[[1, 2]]), True), (go.Scatter(y=[1]), True), (go.Treemap(), False)],
)
def test_a_page_carries_as_much_of_plotly_as_its_pictures_take(trace, small):
    line = chart("Line", Picture(go.Figure(go.Scatter(y=[1, 2])), ""))
    html = page_of(sections=(line, chart("Other", Picture(go.Figure(trace), "")))).html([], {})
    assert (BUNDLE in html) == small
    assert (len(html) < 1.6e6) == small


def test_the_smaller_plotly_is_of_the_same_release_and_draws_what_is_expected_of_it():
    assert set(re.findall(r'moduleType:"trace",name:"(\w+)"', BUNDLE)) == _CARTESIAN
    release = re.compile(r"plotly\.js (?:\(cartesian - minified\) )?v([\d.]+)")
    assert release.search(BUNDLE)[1] == release.search(get_plotlyjs())[1]
