"""What a record says of its accounts, and what its digest follows."""

from dataclasses import replace

import numpy as np
import pytest

from quantray.analytics.selection import SharpeEstimate, expected_maximum_sharpe
from quantray.errors import InputError
from quantray.studies.combination.record import EQUAL, MIX, evaluate


def test_accounts_are_judged_on_the_same_days(record_of):
    record = record_of(0.002)
    mix, equal = record.outcome(MIX), record.outcome(EQUAL)
    assert mix.mix_over is None
    assert equal.mix_over.mean == pytest.approx(mix.sharpe.mean - equal.sharpe.mean)
    # Equal shares are most of the mix's noise, so the pair tells them apart.
    assert equal.mix_over.interval.low > 0
    assert equal.mix_over.error < 0.5 * equal.sharpe.error


def test_the_hurdle_is_that_of_as_many_strategies(record_of):
    record = record_of()
    ratios = [SharpeEstimate.of(series).ratio for series in record.member_returns.T]
    expected = expected_maximum_sharpe(3, np.var(ratios, ddof=1))
    for outcome in record.outcomes:
        assert outcome.deflated.hurdle == pytest.approx(expected)
        assert outcome.deflated.n_trials == 3
    idle = np.hstack([record.member_returns, np.zeros((len(record.dates), 5))])
    for outcome, evaluated in zip(record.outcomes, evaluate(record.accounts, idle), strict=True):
        assert evaluated.deflated == outcome.deflated


def test_an_account_that_holds_nothing_has_no_ratio(record_of):
    record = record_of(flat=True)
    assert record.outcome(MIX).sharpe is None
    assert record.outcome(MIX).deflated is None
    assert record.outcome(EQUAL).mix_over is not None


def test_the_digest_follows_the_numbers_and_not_the_clock(record_of):
    record = record_of()
    assert record.digest == replace(record, seconds=9.0, n_computed=0, peak_driver=1, peak_workers=()).digest
    changed = replace(record.accounts[0], shares=record.accounts[0].shares * 0.5)
    assert record.digest != replace(record, accounts=(changed, *record.accounts[1:])).digest


def test_days_must_agree(record_of):
    record = record_of()
    mix, equal, _ = record.accounts
    with pytest.raises(InputError, match="same days"):
        evaluate((mix, replace(equal, returns=equal.returns[:-1])), record.member_returns)
