"""What a manager's books come to: the hash changes with each share, each unit of money and each block, and no more."""

from dataclasses import replace

import pytest
from bad_worlds import small_day

from quantray.oms.block_records import Share
from quantray.trading.day import Day
from quantray.trading.messages import Holding
from quantray.trading.record import digests
from quantray.trading.worlds import Here


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    institution, market = small_day(2, minutes=30)
    day = Day(institution, market, tmp_path_factory.mktemp("day") / "day")
    with Here(day.worlds) as worlds:
        return institution, day.run(worlds)


def test_a_share_more_or_less_is_seen_and_only_of_its_manager(traded):
    institution, outcome = traded
    before = digests(institution, outcome)
    holding = outcome.holdings["pm001-a001"]
    outcome.holdings["pm001-a001"] = Holding(cash=holding.cash + 1, shares=holding.shares)
    after = digests(institution, outcome)
    outcome.holdings["pm001-a001"] = holding
    assert (after["pm001"] == before["pm001"], after["pm002"] == before["pm002"]) == (False, True)
    place, block = next((place, it) for place, it in enumerate(outcome.blocks) if it.pm == "pm002" and it.filled)
    name, share = next(iter(block.shares.items()))
    outcome.blocks[place] = replace(
        block, shares={**block.shares, name: Share(share.shares, share.amount, share.fee + 1)}
    )
    after = digests(institution, outcome)
    outcome.blocks[place] = block
    assert (after["pm001"] == before["pm001"], after["pm002"] == before["pm002"]) == (True, False)
    assert digests(institution, outcome) == before
