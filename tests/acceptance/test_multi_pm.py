"""The requirement's own tests of an institution with several portfolio managers."""

from decimal import Decimal

import numpy as np
import pytest

from quantray.errors import InputError
from quantray.institution.capital import CapitalSettings, decide_capital
from quantray.oms.blocks import allocate_block, block_statuses
from quantray.oms.changes import Actor
from quantray.oms.gate import Gate
from quantray.oms.replay import replay_database
from quantray.trading.day import Day
from quantray.trading.settings import TradingDaySettings
from quantray.trading.worlds import Here


def test_capital_allocation():
    """Of two managers whose volatilities are 15 and 10 % a year the calmer one gets more."""
    noise = np.random.default_rng(0).standard_normal((252, 2))
    returns = noise / noise.std(axis=0, ddof=1) * np.array([0.15, 0.10]) / np.sqrt(252)
    for method in ("risk_parity", "inverse_volatility"):
        decision = decide_capital(
            returns,
            ("PM_A", "PM_B"),
            Decimal(100_000_000),
            CapitalSettings(method=method, drawdown=None),
            day="2024-01-31",
            trigger="asked for",
        )
        assert decision.capital["PM_B"] > decision.capital["PM_A"]
        # With correlations next to none both are 1/vol: 60 and 40 %.
        assert abs(float(decision.capital["PM_B"]) / 1e8 - 0.6) < 0.01


@pytest.fixture(scope="module")
def institution_day(tmp_path_factory):
    """Two managers with a strategy each, traded through a day of half hours."""
    settings = TradingDaySettings(
        firm={"pms": 2, "accounts": 3, "strategies": 2, "capital": 200_000_000},
        market={"kind": "simulated", "names": 12},
        minutes=30,
        window=40,
        worlds="here",
    )
    institution, market = settings.load(tmp_path_factory.mktemp("firm"))
    day = Day(institution, market, tmp_path_factory.mktemp("day") / "gate")
    with Here(day.worlds) as worlds:
        outcome = day.run(worlds)
    return institution, day, outcome


def test_pm_isolation(institution_day):
    """What one manager's world is told and decides has nothing of the other's, and neither learns of his blocks."""
    _, day, outcome = institution_day
    first, second = day.worlds
    told = day.news("pm001", 0) + first.model_dump_json().encode()
    for foreign in (*second.accounts, *second.strategies, *second.symbols):
        assert foreign.encode() not in told
    with Gate(day.database) as gate:
        for pm, other in (("pm001", "pm002"), ("pm002", "pm001")):
            seen = gate.do(lambda books, pm=pm: block_statuses(books, Actor(pm, pm)))
            assert {block.pm for block in seen} == {pm}
            foreign = next(block for block in outcome.blocks if block.pm == other)
            with pytest.raises(InputError, match="there is no block .* of yours"):
                gate.do(lambda books, pm=pm, it=foreign: allocate_block(books, Actor(pm, pm), it.id))


def test_full_institutional_flow(institution_day):
    """Every manager trades; every block is shared out whole; the firm's limits held, by an independent reader."""
    institution, day, outcome = institution_day
    assert {block.pm for block in outcome.blocks if block.filled} == set(institution.pms)
    for block in outcome.blocks:
        assert sum(share.shares for share in block.shares.values()) == block.filled
        assert sum(share.amount for share in block.shares.values()) == block.amount
        for account, share in block.shares.items():
            assert share.shares <= block.demands.get(account, 0)
    replay = replay_database(day.database)
    assert replay.agrees
    assert replay.orders == outcome.orders


def test_institutional_scale(institution_day):
    """The requirement's numbers on a small firm; ``benchmarks/bench_trading_day.py`` has the full size."""
    _, day, outcome = institution_day
    assert outcome.orders > 50
    assert outcome.refused == {}
    assert replay_database(day.database).found == 0
    assert len(outcome.latencies) == len(outcome.blocks)
