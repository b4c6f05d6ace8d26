"""The page of a day says what the day came to."""

from collections import Counter

from bad_worlds import small_day

from quantray.oms.replay import replay_database
from quantray.trading.day import Day
from quantray.trading.page import day_page
from quantray.trading.profit import profit
from quantray.trading.record import summary_of
from quantray.trading.worlds import Here


def test_the_page_has_managers_refusals_and_whoever_fell_silent(tmp_path):
    institution, market = small_day(2, minutes=30)
    day = Day(institution, market, tmp_path / "day")
    with Here(day.worlds) as worlds:
        worlds.tell({"pm001": day.news("pm001", 0)})
        outcome = day.run(worlds)
    outcome.refused["cash"] += 3
    outcome.failed = {"pm002-s001": Counter({"ValueError: of nothing": 2})}
    earned = profit(institution, outcome)
    summary = summary_of(institution, outcome, earned, replay_database(day.database))
    page = day_page(institution, market, outcome, earned, summary)
    assert page.warnings[0].startswith("pm001 was silent: bar -40 came late")
    assert f"{abs(earned.firm):,.0f}" in page.headline
    assert "most often pm002-s001 (2 times: ValueError: of nothing)" in page.warnings[1]
    html = page.html(["a day"], {})
    for said in ("pm002", "cash", "ValueError: of nothing"):
        assert said in html
    # Nobody traded: there is a page all the same.
    outcome.blocks, outcome.latencies = [], []
    quiet = summary_of(institution, outcome, earned, replay_database(day.database))
    assert "0% of the shares of 0 blocks" in day_page(institution, market, outcome, earned, quiet).headline
