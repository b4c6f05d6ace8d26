import numpy as np
import pytest
from mixed_book import changes_of, mixed_book

from quantray.errors import InputError
from quantray.risk.positions.pricing import revalue
from quantray.risk.positions.sensitivities import Sensitivities, sensitivities


def test_a_book_adds_up_what_its_positions_do():
    # A share, and another in a foreign currency, the third driver.
    book = Sensitivities(
        value=np.array([0.6, 0.4]),
        rows=np.array([0, 1, 1]),
        columns=np.array([0, 1, 2]),
        delta=np.array([0.6, 0.4, 0.4]),
        gamma=np.zeros(3),
        n_drivers=3,
    )
    assert book.exposure.tolist() == [0.6, 0.4, 0.4]
    marginal = np.array([1.0, 2.0, 10.0])
    parts = book.by_position(marginal)
    assert np.allclose(parts, [0.6, 4.8])
    assert np.isclose(parts.sum(), book.exposure @ marginal)
    assert book.is_linear


def test_what_each_kind_of_position_moves_with():
    holdings, market = mixed_book()
    seen = sensitivities(holdings, market)
    dense = np.zeros((len(holdings), market.n_drivers))
    np.add.at(dense, (seen.rows, seen.columns), seen.delta)
    at = {name: i for i, name in enumerate(market.drivers.tolist())}
    row = {name: dense[i] for i, name in enumerate(holdings.names.tolist())}
    value = dict(zip(holdings.names.tolist(), seen.value.tolist(), strict=True))
    # 100 shares at 50 in a NAV of 100,000.
    assert np.isclose(row["share"][at["share"]], 0.05)
    # 200 at 20 euros of 1.25 dollars: the price and the currency.
    assert np.isclose(value["foreign"], 0.05)
    assert np.allclose(row["foreign"][[at["foreign"], at["EUR"]]], 0.05)
    # A future has its notional without value, and no currency on it.
    assert value["future"] == 0
    assert np.isclose(row["future"][at["index"]], 2 * 10 * 400 * 1.25 / 1e5)
    assert row["future"][at["EUR"]] == 0
    assert np.isclose(seen.notional[holdings.names == "future"], 2 * 10 * 400 * 1.25 / 1e5)
    # Seven years of duration on 0.1 of NAV; the bond's own price does not move by itself.
    assert np.isclose(row["bond"][at["10 years"]], -0.7)
    assert row["bond"][at["bond"]] == 0
    assert row["call"][at["share"]] > 0
    # A put sold gains with the index, and its premium is owed in euros.
    assert row["put"][at["index"]] > 0 > row["put"][at["EUR"]]
    assert row["call"][at["vol"]] > 0
    # Exposure as money is the value of what is paid for, and of an option that of its hedge.
    assert np.allclose(seen.notional[:2], seen.value[:2])
    assert np.isclose(seen.notional[holdings.names == "call"], row["call"][at["share"]])
    assert not seen.is_linear


@pytest.mark.parametrize("size", [1e-2, 1e-3])
def test_second_order_is_right_to_third_order(size):
    holdings, market = mixed_book()
    seen = sensitivities(holdings, market)
    changes = changes_of(market, 50, size)
    exact = revalue(holdings, market, changes).sum(axis=1)
    assert np.abs(seen.gain(changes) - exact).max() < 60 * size**3
    # The first order alone is off by the second.
    assert np.abs(changes @ seen.exposure - exact).max() > 0.05 * size**2


def test_the_bend_is_the_slope_of_the_exposure():
    holdings, market = mixed_book()
    seen = sensitivities(holdings, market)
    change = changes_of(market, 1, 0.1)[0]
    assert np.isclose(seen.gain(change[None, :])[0], change @ seen.exposure + change @ seen.bent(change) / 2)


def test_the_order_of_positions_and_drivers_does_not_matter():
    holdings, market = mixed_book()
    turned, shuffled, order, places = mixed_book(shuffled=True)
    one, other = sensitivities(holdings, market), sensitivities(turned, shuffled)
    assert np.allclose(one.value[order], other.value)
    assert np.allclose(one.exposure[places], other.exposure)
    assert np.allclose(one.curvature[places], other.curvature)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"drivers": ("share", "lost")}, r"holdings: the market has no lost \(for share\)"),
        ({"currency": ("foreign", "CHF")}, r"currencies of the holdings: the market has no CHF \(for foreign\)"),
        ({"currency": ("share", "vol")}, "the currency vol changes by differences"),
        ({"expiry": np.datetime64("2020-01-01")}, "option call expired on 2020-01-01, before 2020-06-30"),
        ({"yields": "share"}, "yields of bonds: share changes by returns"),
        ({"volatility_drivers": "index"}, "volatilities of options: index changes by returns"),
    ],
)
def test_what_cannot_be_priced_is_refused_by_name(changed, said):
    with pytest.raises(InputError, match=said):
        sensitivities(*mixed_book(**changed))
