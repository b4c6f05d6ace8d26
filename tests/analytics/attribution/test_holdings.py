from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.attribution.holdings import CASH, DIVIDENDS, NO_SECTOR, by_sector, held_days, held_weights
from quantray.analytics.track import TrackRecord
from quantray.errors import DataError, InputError


def test_what_was_held_earned_the_return_to_the_last_bit(accounts):
    found = held_days(accounts.record, accounts.panel)
    total = found.contributions.sum(axis=1) + found.cash + found.dividends - found.costs
    assert_allclose(total, accounts.record.returns, atol=1e-14)
    assert not found.dividends.any()
    # Contributions are weights times total returns.
    close = accounts.panel.field("close")
    row = accounts.panel.row(found.dates[100])
    held = found.weights[100] != 0
    moved = (close[row] / close[row - 1] - 1)[held]
    assert_allclose(found.contributions[100, held], found.weights[100, held] * moved, atol=1e-12)


def test_holdings_of_days_of_trades_are_carried_through_the_days_between(accounts, tmp_path):
    accounts.record.write(tmp_path / "L-S")
    read = TrackRecord.read(tmp_path / "L-S")
    assert len(read.holding_dates) < len(read.dates)
    again, direct = held_days(read, accounts.panel), held_days(accounts.record, accounts.panel)
    columns = np.searchsorted(accounts.panel.assets, read.assets)
    assert_allclose(again.weights, direct.weights[:, columns], atol=1e-12)
    assert_allclose(again.contributions, direct.contributions[:, columns], atol=1e-12)


def test_dividends_of_unknown_origin_are_a_row(accounts):
    found = by_sector(held_days(accounts.record), accounts.sectors)
    assert found.sectors[-3:] == (NO_SECTOR, CASH, DIVIDENDS)
    assert found.unlabelled == 1
    assert_allclose(found.weights.sum(axis=1), 1.0)
    named = by_sector(held_days(accounts.record, accounts.panel), accounts.sectors)
    assert named.sectors[-1] == CASH


def test_given_weights():
    days = np.array(["2020-01-02", "2020-01-03"], dtype="datetime64[D]")
    weights, returns = np.array([[0.5, 0.0], [0.5, 0.4]]), np.array([[0.1, np.nan], [0.0, 0.1]])
    found = held_weights(days, np.array(["A", "B"]), weights, returns, cash=np.array([0.01, 0.02]))
    assert_allclose(found.returns, [0.055, 0.042])
    with pytest.raises(InputError, match="holds B on 2020-01-03 without a return"):
        held_weights(days, np.array(["A", "B"]), weights, np.where([True, False], returns, np.nan))


def test_bad_input(accounts):
    record, panel = accounts.record, accounts.panel
    series = ("dates", "nav", "cash", "pnl", "dividends", "interest", "unfilled", "holding_dates", "weights")
    none = {name: getattr(record, name)[:0] for name in ("trade_dates", "trades", "costs")}
    with pytest.raises(InputError, match="one day of accounts"):
        held_days(replace(record, **{name: getattr(record, name)[:1] for name in series}, **none))
    kept = record.on_trade_dates()
    with pytest.raises(InputError, match="holdings on days of trades only; give the panel"):
        held_days(kept)
    with pytest.raises(DataError, match="miss the NAV of"):
        held_days(kept, panel.with_fields(close=panel.field("close") ** 1.01))
    with pytest.raises(DataError, match="the panel has not the days"):
        held_days(kept, panel.until(panel.dates[500]))
    with pytest.raises(DataError, match="a gap of"):
        held_days(replace(record, interest=record.interest + 100))
    nav = record.nav.copy()
    nav[5] = np.nan
    with pytest.raises(InputError, match="NAV of L/S are unknown in 1 of"):
        held_days(replace(record, nav=nav))
