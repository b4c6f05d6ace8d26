"""The report of forecasts says what the numbers say."""

import re

import numpy as np
import pytest
from forecast_rows import DAYS, row_of

from quantray.studies.forecasts.report import ForecastReportInput, forecast_page, verdict

EVIL = "</script><script>alert(1)</script>"


def content_of(*rows, **changes):
    values = {
        "title": "study",
        "meta": "somewhere, 44 members",
        "note": "What the numbers are.",
        "span": "all dates, 95% intervals",
        "dates": np.datetime64("2024-01-01") + np.arange(DAYS),
        "rows": rows,
        "horizon": 5,
        "warnings": ("Beware.",),
    }
    return ForecastReportInput(**(values | changes))


def html_of(*rows, reproduction=("Digest abc.",), settings=None, **changes):
    return forecast_page(content_of(*rows, **changes)).html(reproduction, settings or {"a.b": "c"})


ROWS = (
    row_of(zero=0.02, ridge=0.0),
    row_of("ridge", control=True, zero=0.02),
    row_of("zero", control=True, told=False),
)


@pytest.mark.parametrize(
    ("gains", "sentence"),
    [
        ({"zero": 0.02, "ridge": 0.03}, "GAT beats every control."),
        ({"zero": 0.0, "ridge": 0.005}, "GAT cannot be told from any control."),
        ({"zero": 0.02, "ridge": 0.0}, "GAT beats zero, but cannot be told from ridge."),
        (
            {"zero": 0.02, "reversal": 0.02, "ridge": 0.0, "random": 0.0},
            "GAT beats zero and reversal, but cannot be told from ridge and random.",
        ),
        ({"zero": 0.02, "a": 0.0, "b": 0.0, "c": 0.0}, "GAT beats zero, but cannot be told from a, b and c."),
        ({"zero": 0.0, "ridge": -0.02}, "GAT is worse than ridge."),
        ({"zero": 0.02, "ridge": -0.02}, "GAT is worse than ridge, though better than zero."),
        ({"zero": 0.01, "ridge": 0.02}, "GAT beats ridge, but cannot be told from zero."),
    ],
)
def test_the_verdict_follows_the_intervals(gains, sentence):
    assert verdict("GAT", row_of(**gains).differences) == sentence


def test_rows_say_what_they_can():
    told, silent = ROWS[0], ROWS[2]
    assert told.seed_deviation == pytest.approx(np.sqrt(2) * 0.01)
    assert told.spread == pytest.approx(0.003)
    assert row_of(seeds=(0.01,)).seed_deviation is None
    assert silent.spread is None


def test_the_table_shows_every_number():
    html = html_of(*ROWS)
    for cell in ("0.0234", "0.0134 to 0.0334", "0.0345", "0.46", "57%", "0.0141", "4.5", "30 bp"):
        assert f"{cell}</td>" in html, cell
    body = re.search(r"<tbody>(.*?)</tbody>", html, re.DOTALL).group(1)
    last = re.findall(r"<td.*?>(.*?)</td>", body.split("</tr>")[2])
    assert last[3:6] + last[7:] == ["–"] * 5
    assert body.count("control</span>") == 2
    for text in (
        "GAT beats zero, but cannot be told from ridge.",
        "Beware.",
        "44 members",
        "What the numbers are.",
        "<th>95% interval</th>",
        "Digest abc.",
        "<code>a.b</code><code>c</code>",
    ):
        assert text in html, text
    assert "By tenths of the score" in html
    assert "By tenths" not in html_of(*(row_of(n, told=False, zero=0.0) for n in "AB"))


@pytest.mark.parametrize("place", ["title", "settings", "warnings", "meta", "note", "reproduction", "model", "control"])
def test_no_script_comes_in(place):
    rows = list(ROWS)
    changes = {}
    if place in ("title", "meta", "note"):
        changes[place] = EVIL
    elif place == "settings":
        changes["settings"] = {EVIL: EVIL}
    elif place in ("warnings", "reproduction"):
        changes[place] = (EVIL,)
    elif place == "model":
        rows[0] = row_of(EVIL, zero=0.02)
    else:
        rows[1] = row_of(EVIL, control=True, zero=0.02)
        rows[0] = row_of(**{EVIL: 0.02})
    html = html_of(*rows, **changes)
    assert "<script>alert(1)" not in html
    assert "alert(1)" in html


def test_controls_alone_have_a_page():
    html = html_of(*ROWS[1:])
    assert "Against the controls" not in html
    assert "Through time" in html
    assert "Controls only." in html


def test_the_summary_shows_skill_and_epochs():
    summary = forecast_page(content_of(*ROWS)).summary
    assert summary.title == "study: all dates, 95% intervals"
    assert summary.columns == ("forecast", "IC", "from", "to", "rank IC", "epochs")
    (group,) = summary.groups
    assert group.rows[0] == ("GAT", "0.0234", "0.0134", "0.0334", "0.0345", "4.5")
    assert group.rows[2] == ("zero", "0.0000", "-0.0100", "0.0100", "–", "–")
