"""All dimensions of one record at once."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.attribution.attribute import Explanation, attribute
from quantray.analytics.attribution.strategies import StrategyShares
from quantray.errors import DataError, InputError
from quantray.regimes.path import RegimePath


@pytest.mark.parametrize("method", ["carino", "menchero", "grap", "frongello", "geometric"])
def test_every_dimension_sums_to_the_return(accounts, method):
    record, days = accounts.record, accounts.record.dates
    labels = (np.arange(len(days)) // 50 % 2).astype(np.int64)
    half = StrategyShares(
        names=["a", "b"], weights=np.full((len(days) - 1, 2), 0.5), returns=np.tile(record.returns[:, None], 2)
    )
    found = attribute(
        record,
        Explanation(
            panel=accounts.panel,
            benchmark=accounts.benchmark,
            sectors=accounts.sectors,
            models=accounts.model,
            strategies=half,
            regimes=RegimePath(days, np.array(["x", "y"]), labels, np.eye(2)[labels]),
            method=method,
        ),
    )
    assert len(found.dimensions) == 14
    assert found.largest_gap < 1e-10
    assert list(found.absent) == ["Currencies"]
    for title, split in found.dimensions.items():
        if title != "Sectors":
            assert_allclose(split.linked.sum(), record.nav[-1] / record.nav[0] - 1, atol=1e-10, err_msg=title)
    assert found.factors is not None
    assert found.strategies is not None


def test_a_record_alone_has_what_it_can_tell(accounts):
    found = attribute(accounts.record)
    assert "Execution" in found.dimensions
    assert set(found.absent) == {"Sectors", "Factors", "Strategies", "By regime", "By week type", "Currencies"}
    series = attribute(accounts.record, Explanation(benchmark=accounts.benchmark.returns,
                                                    factor_returns=accounts.benchmark.returns[:, None]))  # fmt: skip
    assert series.absent["Sectors"] == "no benchmark with holdings"
    assert series.regressed is not None


def test_bad_input(accounts):
    record, other = accounts.record, accounts.benchmark
    with pytest.raises(InputError, match=r"benchmark returns are \(5,\)"):
        attribute(record, Explanation(benchmark=np.zeros(5)))
    with pytest.raises(InputError, match="factor returns are estimated on a panel"):
        attribute(record, Explanation(models=accounts.model))
    none = np.zeros((len(record.dates) - 1, 1))
    with pytest.raises(DataError, match="Strategies: the parts sum to"):
        attribute(record, Explanation(strategies=StrategyShares(names=["a"], weights=none, returns=none)))
    later = accounts.panel.dates[400]
    from quantray.backtest.accounts import Decisions, backtest

    equal = np.full((1, len(record.assets)), 1 / len(record.assets))
    short = backtest(accounts.panel, Decisions(np.array([later]), record.assets, equal), name="Late")
    with pytest.raises(InputError, match=f"benchmark Late has .* lacks 100 of them, first {record.dates[1]}"):
        attribute(record, Explanation(benchmark=short))
    assert len(other.dates) == len(record.dates)
