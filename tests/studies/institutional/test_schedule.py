from dataclasses import replace

import numpy as np
import pytest

from quantray.studies.institutional.schedule import last_schedules, schedule_section


@pytest.fixture(scope="module")
def schedules(study):
    return last_schedules(*study)


def test_the_last_change_becomes_orders(study, schedules):
    source, record = study
    panel = source.panel
    for each in schedules:
        last, orders = record.last[each.aum], each.orders.parents
        row = panel.row(last.decided)
        assert each.session > last.decided
        ordered = dict(zip(orders["symbol"].to_pylist(), orders["shares"].to_pylist(), strict=True))
        for name, change, price in zip(panel.assets.tolist(), last.change, panel.field("close")[row], strict=True):
            if price > 0:
                wanted, order = int(np.trunc(change * each.aum / price)), ordered.get(name, 0)
                # What three weeks of the volume cannot do is left for later, and said.
                assert order == wanted or (abs(order) < abs(wanted) and each.notes)
        assert each.days <= 21
        assert (orders["volume_share"].to_numpy() <= last.participation * orders["days"].to_numpy() + 1e-9).all()


def test_more_money_takes_longer_and_costs_more(schedules):
    small, large = schedules
    assert small.aum < large.aum
    assert large.days >= small.days
    assert large.cost_bps > small.cost_bps > 0


def test_the_section_names_every_size(schedules):
    section = schedule_section(schedules)
    assert [row[0] for row in section.parts[0].groups[0].rows] == ["10M", "1B"]
    assert schedule_section([]).parts[0].groups[0].rows == ()


def test_what_no_market_can_trade_is_cut(study, schedules):
    source, record = study
    huge = replace(record, last={1e13: record.last[record.aums[1]]})
    (found,) = last_schedules(source, huge)
    assert found.days == 21
    assert "orders at 10T are cut to what 21 days can trade" in found.notes[0]
    assert found.notes[0] in schedule_section([found]).parts[-1].text
