import json

import numpy as np
import pytest
from small_trades import SHARES, hindsighted, schedule

from quantray.execution.reporting.page import algorithms_table, orders_table, schedule_page
from quantray.execution.tca import shortfall
from quantray.execution.trade_list import PlanTerms


def rows(table):
    return [
        [cell if isinstance(cell, str) else cell.text for cell in row] for group in table.groups for row in group.rows
    ]


def figures(page, title):
    (section,) = (section for section in page.sections if section.title == title)
    return json.loads(section.parts[0].figure)


def test_the_headline_and_the_summary_say_what_it_costs():
    one = schedule()
    page = schedule_page([one], about="demo")
    assert page.headline == (
        f"5 orders of 8.68M are expected to cost {one.cost_bps:.1f} bp, the last of them done on day 2."
    )
    said = dict(rows(page.summary))
    assert (said["Orders"], said["Value"], said["Days until all is done"]) == ("5", "8.68M", "2")
    assert said["Child orders"] == f"{one.orders.children.num_rows:,}"
    assert said["Of the money managed"] == "8.7%"
    # All but half of the large order.
    assert said["Done in the first session"] == f"{1 - 4e6 / 8.6815e6:.0%}"


@pytest.mark.parametrize("linear", [False, True])
def test_the_waterfall_is_of_what_is_planned(linear):
    one = schedule(linear=linear)
    (fall,) = figures(schedule_page([one], about=""), "What it costs")["data"]
    assert sum(fall["x"][:-1]) == pytest.approx(one.orders.plan.total_cost_bps, abs=1e-3)
    assert ("Permanent impact" in fall["y"]) == linear


def test_money_by_day_sums_to_all_of_it():
    page = schedule_page([schedule()], about="")
    bars = figures(page, "Day by day")["data"]
    assert sum(sum(bar["y"]) for bar in bars) == pytest.approx(np.abs(SHARES) @ [50, 20, 80, 10, 5], abs=50)
    assert bars[0]["x"] == ["03-15", "03-18"]
    fast = schedule_page([schedule(terms=PlanTerms(participation=0.5))], about="")
    assert figures(fast, "Through the session")["data"][0]["x"][0] == "09:30"


def test_many_days_end_in_one_bar():
    slow = schedule_page([schedule(terms=PlanTerms(participation=0.005, when_late="stretch"))], about="")
    labels = figures(slow, "Day by day")["data"][0]["x"]
    assert len(labels) == 25
    assert labels[-1] == "later"


def test_orders_are_listed_by_size_with_their_reason():
    table = orders_table(schedule(), 3)
    assert [row[0] for row in rows(table)] == ["LARGE", "USUAL", "CALM"]
    assert table.groups[0].rows[0][4].below == "larger than 5.0% of a day's volume"
    assert rows(table)[0][-1].startswith("NYSE")
    by = algorithms_table(schedule(), title="by algorithm")
    assert [row[0] for row in rows(by)] == ["AC", "VWAP", "TWAP", "IS", "CLOSE"]
    assert rows(by)[-1][-1] == "no volume is known"


def test_several_portfolios_stand_side_by_side_and_the_page_is_offline():
    page = schedule_page([schedule(), schedule(SHARES // 2, name="Equal <b>")], about="demo")
    assert page.sections[0].title == "Side by side"
    assert page.findings[0] == "HRP: 1 order goes to the close."
    assert len([section for section in page.sections if section.title.startswith("HRP: ")]) == 5
    html = page.html((), {})
    assert 'src="http' not in html
    assert "Equal <b>" not in html


def test_hindsight_splits_what_it_would_have_cost():
    one = hindsighted()
    page = schedule_page([one], about="")
    (section,) = (section for section in page.sections if section.title == "In hindsight")
    (fall,) = json.loads(section.parts[0].figure)["data"]
    lost = shortfall(one.worked)
    assert fall["x"][-1] == pytest.approx(1e4 * lost.total.sum() / lost.value.sum(), abs=1e-3)
    assert f"{one.orders.plan.total_cost_bps:.1f} expected" in section.note
    assert "100% filled" in section.note


def test_where_no_volume_is_known_there_is_a_page_too():
    page = schedule_page([schedule([0, 0, 0, 0, 300])], about="")
    assert page.headline.startswith("1 order of 1.5K")
    assert [section.title for section in page.sections] == ["By algorithm", "Through the session", "Orders"]
