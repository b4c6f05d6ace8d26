import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydantic import ValidationError

from quantray.analytics.drawing import Drawing, Shape, bars, fan, lines, waterfall
from quantray.analytics.page import Page, Section, Table

DAYS = np.arange("2018-01-01", "2021-01-01", dtype="datetime64[D]")


def rectangles(drawing):
    return [shape for shape in drawing.shapes if shape.kind == "rect"]


def texts(drawing):
    return [shape.text for shape in drawing.shapes if shape.kind == "text"]


def test_a_waterfall_steps_from_part_to_part_to_the_total():
    drawn = waterfall(["a", "b"], [0.03, -0.01], start=("before", 0.05), total=("after", 0.07), label="x")
    first, a, b, last = rectangles(drawn)
    assert_allclose(first.x + first.width, a.x)
    assert_allclose(a.x + a.width, b.x + b.width)
    assert_allclose(b.x, last.x + last.width)
    assert_allclose(a.width / b.width, 3)
    assert "+3.00%" in texts(drawn)
    assert texts(drawn)[0] == "before"


def test_losses_have_the_other_colour():
    up, down = rectangles(bars(["a", "b"], [0.1, -0.1], label="x"))
    assert up.colour != down.colour


def test_lines_keep_few_points_and_fall_where_values_fall():
    wealth = np.cumprod(np.full(len(DAYS), 0.999))
    drawn = lines(DAYS, [("own", wealth), ("other", wealth * np.nan + 1)], label="x")
    own = next(s for s in drawn.shapes if s.kind == "path" and s.thickness == 1.5)
    assert len(own.points) <= 600
    assert own.points[0][1] < own.points[-1][1]
    assert {"2018", "2019", "2020", "own"} <= set(texts(drawn))


def test_a_fan_widens_with_time():
    quantiles = np.sqrt([[1], [21], [252]]) * np.array([-2, -1.3, -0.7, 0, 0.7, 1.3, 2]) / 100
    drawn = fan([1, 21, 252], quantiles, label="x")
    assert sum(shape.closed for shape in drawn.shapes) == 3
    assert "252 d" in texts(drawn)


def test_what_names_say_is_text_and_nothing_else():
    evil = '<script>alert(1)</script>"'
    drawn = bars([evil], [0.1], label=evil)
    table = Table(columns=("a",), groups=())
    page = Page(title="t", meta="", headline="", sections=(Section(title="s", parts=(drawn,)),), summary=table)
    html = Page.model_validate_json(page.kept()).html((), {})
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert len(html) < 20_000
    with pytest.raises(ValidationError):
        Shape(kind="rect", colour='red" onload="x')
    assert Drawing.model_validate(drawn.model_dump()) == drawn


def test_a_long_line_keeps_its_highs_and_lows():
    """A crash of one day among five thousand is seen, and the dates under the line do not touch."""
    dates = np.arange("2001-12-03", "2015-08-13", dtype="datetime64[D]")
    values = np.sin(np.arange(len(dates)) / 300)
    values[2345], values[2346] = -7.0, 5.0
    drawn = lines(dates, [("it", values)], label="it")
    line = next(shape for shape in drawn.shapes if shape.kind == "path" and len(shape.points) > 100)
    heights = [y for _, y in line.points]
    assert len(line.points) <= 602
    assert max(heights) - min(heights) > 0.85 * (drawn.height - 52)
    labels = sorted(s.x for s in drawn.shapes if s.kind == "text" and s.text.isdigit() and len(s.text) == 4)
    assert min(np.diff(labels)) > 40
