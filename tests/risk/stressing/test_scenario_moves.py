from dataclasses import replace

import numpy as np
import pytest
from mixed_book import mixed_book
from numpy.testing import assert_allclose
from share_market import share_market, share_model, shares

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.stressing.scenario_moves import Reach, scenario_moves
from quantray.risk.stressing.scenarios import Scenario, Shocks

BOOK = shares([0.25, 0.25, 0.25, 0.25])


def moved(model=None, **terms):
    market = share_market()
    return scenario_moves("test", Scenario(**terms), Reach.of(BOOK, market, model), market, model)


PLAIN = {"groups": "together", "others": "stay"}


def test_the_narrowest_shock_counts():
    found, notes = moved(**PLAIN, drivers={"B": -0.5}, sectors={"Energy": -0.3}, asset_classes={"equity": -0.2})
    assert found.drivers.tolist() == [-0.3, -0.5, -0.2, -0.2]
    assert notes == ()


def test_a_class_moves_so_on_average_and_its_members_by_the_model():
    found, _ = moved(share_model(), asset_classes={"equity": -0.2})
    assert_allclose(found.drivers.mean(), -0.2)
    # B has twice the beta of A.
    assert found.drivers[1] < 1.5 * found.drivers[0] < 0


def test_others_move_by_the_model_or_stay():
    model = share_model()
    found, _ = moved(model, sectors={"Technology": -0.3})
    rest = model.dense()[:, 2] / model.dense()[2, 2] * -0.3
    assert_allclose(found.drivers, rest)
    assert_allclose(moved(model, sectors={"Technology": -0.3}, others="stay")[0].drivers, [0, 0, -0.3, 0])
    # Together, members move alike whatever their betas, and still tell of the others.
    alike, _ = moved(model, sectors={"Energy": -0.3}, groups="together")
    assert_allclose(alike.drivers[:2], -0.3)
    assert alike.drivers[2] < 0 == alike.drivers[3]


def test_factors():
    model = share_model()
    assert_allclose(moved(model, factors={"market": -0.1})[0].drivers, [-0.1, -0.2, -0.15, 0])
    alone, _ = moved(model, factors={"market": -0.1}, others="stay")
    assert_allclose(alone.drivers, [-0.1, -0.2, -0.1, 0])
    assert_allclose(alone.factors, [-0.1, 0])


def test_what_is_unknown_is_refused_with_the_nearest():
    model = share_model()
    for terms, said in (
        ({"factors": {"markets": -0.1}}, "scenario test: there is no factor 'markets'; did you mean 'market'"),
        ({"sectors": {"Tecnology": -0.1}}, "no sector 'Tecnology'; did you mean 'Technology'"),
        ({"drivers": {"Z": -0.1}}, "no driver 'Z'; known are A, B, C, D"),
        ({"drivers": {"A": -1.5}}, "driver A cannot return -1.5; write -0.2"),
        ({"sectors": {"Energy": -20.0}}, "sector Energy cannot return -20"),
        ({"factors": {"market": -0.1}, "drivers": {"B": -0.1}}, "scenario test: the shocks contradict"),
    ):
        with pytest.raises(InputError, match=said):
            moved(model, **terms)
    with pytest.raises(InputError, match="scenario test needs a risk model"):
        moved(sectors={"Energy": -0.1})


def test_what_may_be_unknown_is_left_out_and_named():
    terms = {"where_known": Shocks(sectors={"Utilities": -0.1, "Energy": -0.2}, drivers={"XYZ": 1.0})}
    found, notes = moved(**PLAIN, **terms, asset_classes={"commodity": -0.5})
    assert found.drivers.tolist() == [-0.2, -0.2, 0, 0]
    assert notes == (
        "left out, no such driver: XYZ",
        "left out, no such sector: Utilities",
        "nothing here to shock: asset class commodity",
    )


def test_yields_volatilities_and_currencies_of_a_mixed_book():
    holdings, market = mixed_book()
    model = FactorModel(np.zeros((7, 0)), np.zeros((0, 0)), np.full(7, 1e-4))
    terms = {"yields": 0.02, "volatilities": 0.3, "asset_classes": {"equity": -0.2, "fx": -0.1}}
    found, notes = scenario_moves("test", Scenario(**terms), Reach.of(holdings, market, model), market, model)
    expected = {"share": -0.2, "foreign": -0.2, "index": -0.2, "bond": 0, "10 years": 0.02, "vol": 0.3, "EUR": -0.1}
    assert_allclose(found.drivers, [expected[name] for name in market.drivers.tolist()], atol=1e-12)
    assert notes == ()
    # What nobody holds is of the class that the market says.
    other = replace(market, asset_class=np.array(["", "", "commodity", "", "", "", ""]))
    assert Reach.of(holdings, other, model).classes.tolist() == [
        "equity",
        "equity",
        "commodity",
        "fixed income",
        "",
        "",
        "fx",
    ]


def test_a_currency_is_no_share_of_that_name():
    market = share_market(drivers=["A", "COP", "MXN", "D"], asset_class=["", "", "fx", ""])
    found, notes = scenario_moves(
        "test",
        Scenario(**PLAIN, where_known=Shocks(currencies={"COP": -0.25, "MXN": -0.2})),
        Reach.of(shares([1.0], market), market, None),
        market,
        None,
    )
    assert found.drivers.tolist() == [0, 0, -0.2, 0]
    assert notes == ("left out, no such currency: COP",)


def test_drivers_without_risk_in_the_model_take_their_shock():
    model = share_model()
    still = FactorModel(model.loadings, model.factor_covariance, np.array([1e-4, 0, 2e-4, 0]), model.factor_names)
    found, _ = moved(still, asset_classes={"equity": -0.2})
    assert found.drivers[3] == -0.2
    assert_allclose(found.drivers[:3].mean(), -0.2)
