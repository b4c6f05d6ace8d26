import numpy as np
import pytest

from quantray.portfolio.strategy_mix import strategy_mix
from quantray.studies.combination.figures import KINDS, capital, correlations, kind, netting, selection


def test_reasons_in_short():
    """Every reason that the mix gives has its own short form."""
    generator = np.random.default_rng(0)
    base = generator.normal(0.001, 0.01, 200)
    returns = np.column_stack(
        [
            base,
            base + generator.normal(0, 1e-4, 200),
            np.zeros(200),
            generator.normal(-0.002, 0.01, 200),
            np.where(np.arange(200) < 150, np.nan, 0.01),
        ]
    )
    dropped = strategy_mix(returns, "sharpe", names=list("abcde")).dropped
    assert {kind(dropped[name]) for name in "ab" if name in dropped} == {KINDS[0]}
    assert kind(dropped["c"]) == KINDS[2]
    assert kind(dropped["d"]) == KINDS[3]
    assert kind(dropped["e"]) == KINDS[1]


def test_pictures_show_the_record(record_of):
    record = record_of()
    bands = {trace.name: trace.y for trace in capital(record).figure.data}
    np.testing.assert_allclose(bands["trend following"], 0.6)
    np.testing.assert_allclose(bands["cash"], 0.1)
    counts = {trace.name: trace.y[0] for trace in selection(record).figure.data}
    assert counts == {"held in full": 1, "reduced for a drawdown": 1, "too correlated": 1}
    np.testing.assert_allclose(netting(record).figure.data[0].y, 0.8)
    cells = correlations(record).figure.data[0].z
    assert cells[0][0] == pytest.approx(np.corrcoef(record.member_returns.T)[0, 1], abs=1e-3)
    assert cells[0][1] == cells[1][0]
    # One set of a rule has nothing to compare with.
    assert np.isnan(cells[1][1])
