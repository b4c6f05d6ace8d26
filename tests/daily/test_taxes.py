"""A day's targets with the taxes of what they sell."""

import numpy as np
import pytest
from small_market import SmallMarket

from quantray.daily.rebalance import rebalance
from quantray.daily.targets import Targets
from quantray.daily.taxes import SaleTaxes, within_taxes
from quantray.errors import InputError
from quantray.portfolio.taxed_sales import SaleLot


def lot(name, shares, basis, rate=0.2):
    return SaleLot(id=name, shares=shares, basis=basis, rate=rate)


def targets(before, after):
    return Targets(
        np.array(["A", "B", "C"]), np.array([100.0, 50.0, 10.0]), np.array(before), np.array(after), 10_000.0
    )


LOTS = {"A": [lot("a1", 30, 20.0), lot("a2", 20, 100.0)], "B": [lot("b", 60, 60.0)]}


def test_shares_that_cost_too_much_tax_are_kept_and_less_is_bought():
    made, notes = within_taxes(targets([50, 60, 0], [10, 60, 400]), SaleTaxes(lots=LOTS, worth=0.1))
    # Of forty shares of A the twenty without a gain are sold, so that half of the purchase has its money.
    assert made.after.tolist() == [30, 60, 200]
    assert notes == ("sales gain 0.00% of NAV, of which tax takes 0.00% of NAV, for which 20.00% of NAV stays unsold",)


def test_gains_are_capped_by_a_part_of_nav():
    made, notes = within_taxes(targets([50, 60, 0], [10, 30, 550]), SaleTaxes(lots=LOTS, most_gain=0.01))
    # Losses of 300 and the cap of 100 let five shares with a gain of 80 each go.
    assert made.after.tolist() == [25, 30, 400]
    assert notes[0].startswith("sales gain 1.00% of NAV")


def test_a_short_sale_waits_until_all_that_is_held_is_sold():
    made, _ = within_taxes(targets([50, 0, 0], [-10, 0, 0]), SaleTaxes(lots=LOTS, worth=0.1))
    assert made.after.tolist() == [30, 0, 0]
    made, _ = within_taxes(targets([50, 0, 0], [-10, 0, 0]), SaleTaxes(lots=LOTS))
    assert made.after.tolist() == [-10, 0, 0]


def test_where_nothing_is_sold_nothing_changes():
    wanted = targets([50, 60, 0], [50, 60, 10])
    assert within_taxes(wanted, SaleTaxes(lots={})) == (wanted, ())


def test_lots_must_be_those_of_what_is_held():
    with pytest.raises(InputError, match="the lots of A hold 50 shares, and 49 are held"):
        within_taxes(targets([49, 0, 0], [0, 0, 0]), SaleTaxes(lots=LOTS))


def test_a_rebalance_takes_taxes_into_account(tmp_path):
    market = SmallMarket(tmp_path)
    settings = market.settings()
    first = rebalance(settings, lambda day: None, bars=market.day(0)).book
    plain = rebalance(settings, lambda day: first, bars=market.day(1)).book.tables["portfolio"].to_pylist()
    sold = [row for row in plain if row["shares"] < row["shares_before"]]
    assert sold
    lots = {row["symbol"]: [lot("all", row["shares_before"], 0.0)] for row in plain if row["shares_before"]}
    done = rebalance(settings, lambda day: first, taxes=SaleTaxes(lots=lots, most_gain=0.0))
    after = {row["symbol"]: row for row in done.book.tables["portfolio"].to_pylist()}
    assert all(after[row["symbol"]]["shares"] == row["shares_before"] for row in sold)
    assert any("stays unsold and cash is" in note for note in done.notes)
