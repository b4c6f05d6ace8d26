"""The report of a scaling study says what the numbers say."""

import numpy as np
import pytest

from quantray.analytics.bootstrap import Estimate, Interval
from quantray.studies.forecasts.figures import ScaleCurve, scale
from quantray.studies.scale.report import ScaleReportInput, ScaleRow, scale_page


def found(mean, width=0.01):
    return Estimate(mean, width / 2, Interval(mean - width, mean + width, 0.95), 0.5, 100)


def row_of(name, means, *, trained=True, gains=(0.0, 0.005), pairs=None):
    none = np.full(2, np.nan)
    curve = ScaleCurve(
        name,
        np.array([410.0, 2050.0]),
        np.array([1.25, 6.5]) if trained else none,
        np.array([0.5, 2.25]) if trained else none,
        [found(mean) for mean in means],
        [found(mean / 2) for mean in means],
    )
    differences = [{control: found(mean) for control, mean in (pairs or {}).items()} for _ in means]
    slopes = (1.02, float("nan")) if trained else None
    return ScaleRow(curve, not trained, slopes, [found(mean) for mean in gains], differences)


def content_of(name="GAT", control="ridge", title="sizes", warning="Beware."):
    rows = (
        row_of(name, (0.02, 0.0402), pairs={"zero": 0.0301, control: -0.001}),
        row_of(control, (0.011, 0.012), trained=False, pairs={"zero": 0.011}),
        row_of("zero", (0.0, 0.0), trained=False, pairs={control: -0.011}),
    )
    return ScaleReportInput(
        title=title,
        meta="400, 2,000 names",
        costs_note="What an epoch took.",
        skill_note="What forecasts were worth.",
        sizes=(400, 2000),
        rows=rows,
        warnings=(warning,),
    )


def html_of(**changes):
    return scale_page(content_of(**changes)).html(("Digest abc.",), {"a.b": "c"})


def test_the_page_shows_costs_skills_and_pairs():
    html = html_of()
    for text in (
        '<p class="warning">Beware.</p>',
        "400, 2,000 names",
        "What an epoch took.",
        "What forecasts were worth.",
        "Digest abc.",
        "On 2,000 names: GAT beats zero, but cannot be told from ridge.",
        "<th>400 names</th><th>2,000 names</th><th>Slope</th>",
        "<td>GAT</td><td>1.2</td><td>6.5</td><td>1.02</td>",
        "<td>GAT</td><td>0.50</td><td>2.25</td><td>–</td>",
        "<td>GAT</td><td>0.0200 (0.0100 to 0.0300)</td><td>0.0402 (0.0302 to 0.0502)</td>",
        "<td>GAT</td><td>0.0100 (0.0000 to 0.0200)</td>",
        "<td>0.0050 (-0.0050 to 0.0150)</td>",
        '<td>GAT − zero</td><td class="best">0.0301 (0.0201 to 0.0401)</td>',
        "<td>GAT − ridge</td><td>-0.0010 (-0.0110 to 0.0090)</td>",
    ):
        assert text in html, text
    # Controls are not evaluated, and cost nothing.
    assert "ridge − zero" not in html
    assert html.count("<td>ridge</td>") == 2


def test_the_summary_shows_skill_and_what_networks_cost():
    summary = scale_page(content_of()).summary
    assert summary.title.startswith("sizes: information coefficient; seconds and memory of one epoch")
    assert summary.columns == ("forecast", "400 names", "2,000 names")
    (group,) = summary.groups
    assert group.rows[0] == ("GAT", "0.020; 1.2 s, 0.50 GB", "0.040; 6.5 s, 2.25 GB")
    assert group.rows[1] == ("ridge", "0.011", "0.012")


@pytest.mark.parametrize("place", ["name", "control", "title", "warning"])
def test_no_script_comes_in(place):
    html = html_of(**{place: "</script><script>alert(1)</script>"})
    assert "<script>alert(1)" not in html
    assert "alert(1)" in html


def test_the_picture_has_the_costs_of_what_is_trained_and_the_skill_of_all():
    rows = content_of().rows
    picture = scale([row.curve for row in rows])
    data = picture.figure.data
    assert [trace.name for trace in data] == ["GAT"] * 4 + ["ridge"] * 2 + ["zero"] * 2
    assert list(data[0].y) == [1.25, 6.5]
    assert list(data[2].y) == [0.02, 0.0402]
    assert list(data[2].error_y.array) == pytest.approx([0.01, 0.01])
    assert picture.figure.layout.xaxis.ticktext == ("410", "2,050")
