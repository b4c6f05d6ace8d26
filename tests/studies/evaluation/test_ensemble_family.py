"""The ensemble as a family decides what it decides by itself."""

from dataclasses import replace

import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.backtest.costs import LinearCosts
from quantray.backtest.net import net_returns
from quantray.regimes.indicators import five_lenses
from quantray.regimes.lens_settings import LensSettings
from quantray.strategies.ensemble import RegimeAwareEnsemble
from quantray.strategies.regime_map import RegimeMap
from quantray.studies.evaluation.ensemble_family import EnsembleFamily
from quantray.studies.evaluation.families import TradingTerms


@pytest.fixture(scope="module")
def small(market):
    panel = market.panel.select(market.panel.assets[:12]).until(400)
    return panel, dict(zip(panel.assets.tolist(), market.truth.sectors[:12].tolist(), strict=True))


def test_it_decides_as_the_ensemble_alone(small):
    panel, sectors = small
    terms, family = TradingTerms(costs=LinearCosts(3.0), lag=2), EnsembleFamily(sectors)
    assert family.space.all() == ((),)
    decided = RegimeAwareEnsemble().decide(panel, five_lenses(panel, sectors).labels, lag=2)
    (result,) = family.targets(panel, [()], terms)
    assert_array_equal(result.weights, decided.weights)
    (net,) = family.evaluate(panel, [()], terms)
    plain = net_returns(decided.weights, panel.field("close"), costs_bps=LinearCosts(3.0).bps(panel.fields), lag=2)
    assert_allclose(net.returns, plain.returns + decided.overlay_returns, atol=1e-16)
    assert_array_equal(net.turnover, plain.turnover)


def test_its_identity_follows_all_that_it_depends_on(small):
    family = EnsembleFamily(small[1])
    others = (
        EnsembleFamily(),
        replace(family, lenses=LensSettings(hysteresis=0.2)),
        replace(family, ensemble=RegimeAwareEnsemble(RegimeMap(default={"pairs": 1.0}))),
    )
    identities = {one.identity(()) for one in (family, *others)}
    assert len(identities) == 4
    assert family.identity(()) == EnsembleFamily(dict(reversed(small[1].items()))).identity(())
    assert not family.allows((("a", 1),))
