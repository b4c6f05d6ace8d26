"""What decides by date is asked several times: what keeps, draws or peeks is refused, whatever it gives."""

import itertools

import numpy as np
import pytest

from quantray.data.synthetic import simulate_market
from quantray.errors import InputError, SolverError
from quantray.research.door import Door, patiently

PANEL = simulate_market(n_assets=5, n_days=40, seed=1).panel
ROW = 30


def change(panel, row):
    close = panel.field("close")
    return close[row] / close[row - 1]


def passed(decide, **changes):
    Door("Mine: tried", decide, 5.0, **changes).pass_through(PANEL, ROW)


def test_what_keeps_to_the_law_passes_in_silence(capsys):
    passed(change)
    passed(lambda panel, row: np.where(change(panel, row) > 1, np.nan, 1.0), gives="values")
    Door("Mine: tried", change, 5.0).look_back(PANEL, 10)
    assert capsys.readouterr().err == ""


def test_what_looks_ahead_is_refused_with_the_date():
    def ahead(panel, row):
        return panel.field("close")[min(row + 1, len(panel.dates) - 1)]

    told = f"Mine: tried, it gave other values for {PANEL.dates[ROW]} when later dates were there: it looks ahead"
    with pytest.raises(InputError, match=told):
        passed(ahead, gives="values")
    with pytest.raises(InputError, match=f"for {PANEL.dates[10]} when later"):
        Door("Mine: tried", ahead, 5.0).look_back(PANEL, 10)


def test_differences_within_a_tolerance_are_none():
    def rounded(panel, row):
        return change(panel, row) + 1e-12 * len(panel.dates)

    passed(rounded, tolerance=1e-9)
    with pytest.raises(InputError, match="looks ahead"):
        passed(rounded)


def test_what_keeps_something_or_draws_is_refused():
    kept, random, seen = [], np.random.default_rng(1), itertools.count()

    def keeps(panel, row):
        kept.append(row)
        return change(panel, row) * max(kept)

    with pytest.raises(InputError, match="after it had seen a later date: it keeps something between dates"):
        passed(keeps)
    with pytest.raises(InputError, match="when asked again: it draws random numbers without a seed"):
        passed(lambda panel, row: change(panel, row) * random.random())
    with pytest.raises(InputError, match="or keeps something between calls"):
        passed(lambda panel, row: change(panel, row) * next(seen))


def test_an_order_that_counts_is_said(capsys):
    passed(lambda panel, row: change(panel, row) * np.arange(5))
    assert "weights depend on the order of the assets: they differ by up to" in capsys.readouterr().err


def test_errors_of_the_field_are_refusals_and_others_are_not_hidden():
    def failing():
        raise SolverError("rule 'x' gave 3 weights.")

    with pytest.raises(InputError, match=r"^Mine, rule 'x' gave 3 weights\.$"):
        patiently("Mine", 5.0, failing, "5 names")
    with pytest.raises(ZeroDivisionError):
        patiently("Mine", 5.0, lambda: 1 / 0, "5 names")
