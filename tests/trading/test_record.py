"""What a manager's books come to: the hash changes with each share, each unit of money and each block, and no more."""

from dataclasses import replace
from datetime import date

import pyarrow.parquet as pq
import pytest
from bad_worlds import small_day

from quantray.oms.block_records import Share
from quantray.oms.replay import Replay
from quantray.trading.day import Day
from quantray.trading.messages import Holding
from quantray.trading.profit import day_lots, profit
from quantray.trading.record import digests, summary_of, write_day
from quantray.trading.worlds import Here


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    institution, market = small_day(2, minutes=30)
    day = Day(institution, market, tmp_path_factory.mktemp("day") / "day")
    with Here(day.worlds) as worlds:
        return institution, day.run(worlds)


def test_tables_have_their_columns_whether_or_not_there_are_rows(traded, tmp_path):
    institution, outcome = traded
    quiet = replace(outcome, blocks=[])
    nothing = Replay(rows=0, orders=0, executions=0, seq=0, head="", time="", seals=0, heads={}, findings=(), found=0)
    for name, each in (("traded", outcome), ("quiet", quiet)):
        earned, lots = profit(institution, each), day_lots(institution, each, date(2024, 1, 3))
        summary = summary_of(institution, each, earned, nothing)
        (tmp_path / name).mkdir()
        write_day(tmp_path / name, date(2024, 1, 3), each, earned, lots, summary)
    for table in ("blocks", "shares", "lots", "realised", "profit"):
        full, empty = (pq.read_table(tmp_path / name / f"{table}.parquet") for name in ("traded", "quiet"))
        assert full.schema == empty.schema
        assert full.num_rows > 0
        assert empty.num_rows == (0 if table != "profit" else full.num_rows)


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
