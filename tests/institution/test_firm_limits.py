"""Limits of a firm by hand: at the level an order passes, one unit further it does not."""

import numpy as np
import pytest

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.institution.factor_files import whole_factors
from quantray.institution.facts import NameFacts
from quantray.institution.firm_exposures import var_of
from quantray.institution.firm_limits import FirmLimits, FirmOrder

FACTS = {
    "AAA": NameFacts(sector="Energy", adv_shares=10_000),
    "BBB": NameFacts(sector="Banks", adv_shares=500),
    "CCC": NameFacts(),
}
# One factor of 1 % a day: AAA follows it once, BBB twice, against it.
FACTORS = whole_factors(
    ["AAA", "BBB"],
    FactorModel(
        np.array([[1.0], [-2.0]]), np.array([[1e-4]]), np.array([1e-4, 0.0]), np.array(["market"], dtype=np.str_)
    ),
)


def limits(given, factors=FACTORS):
    scoped = {("firm", "", key) if isinstance(key, str) else key: value for key, value in given.items()}
    return FirmLimits(scoped, FACTS, factors)


def held(found, symbol="AAA", value=1_000, pm="ann"):
    """A manager holds so much."""
    found.exposures.line(pm, f"{pm}'s", symbol, abs(value), value)
    low, high = found.exposures.ends.get(symbol, (0, 0))
    found.exposures.name(symbol, low + value, high + value)
    return found


def buy(value, symbol="AAA", shares=0, before=-1, pm="ann"):
    return FirmOrder(pm, symbol, value, 0, value, shares, before)


def sale(value, symbol="AAA", more=0, shares=0, before=0, pm="ann"):
    return FirmOrder(pm, symbol, more, -value, 0, shares, before)


def passed(found, order, **more):
    it = found.passed(order, **more)
    return it and (it.limit, it.scope)


def test_a_sector_gross_of_all_its_names():
    found = held(limits({"sector": 1_500}))
    assert passed(found, buy(500)) is None
    assert passed(found, buy(501)) == ("sector", "Energy")
    assert passed(found, buy(1_500, "BBB")) is None
    assert passed(found, sale(2_000, more=0)) is None
    assert found.passed(buy(1, "CCC")).note == "its sector is unknown"


def test_a_sector_with_a_level_of_its_own():
    found = limits({"sector": 100, ("sector", "Banks", "gross"): 300})
    assert passed(found, buy(300, "BBB")) is None
    assert passed(found, buy(101)) == ("sector", "Energy")


def test_a_factor_at_its_worst_end():
    found = held(limits({"factor": 1_500}))
    assert passed(found, buy(500)) is None
    assert passed(found, buy(501)) == ("factor", "market")
    # BBB goes against it: bought it brings the low end from 1,000 to -1,500, sold the high end to 1,500.
    assert passed(found, buy(1_250, "BBB")) is None
    assert passed(found, buy(1_251, "BBB")) == ("factor", "market")
    assert passed(found, sale(250, "BBB")) is None
    assert passed(found, sale(251, "BBB")) == ("factor", "market")
    assert passed(found, buy(1, "CCC")) == ("factor", "CCC")


def test_what_makes_it_no_larger_passes_above_the_level():
    found = held(limits({"factor": 10, "var": 1, "sector": 10, "liquidity_days": 0, "warn_factor": 5}))
    assert passed(found, sale(1_000, shares=10, before=10)) is None
    assert passed(found, sale(1_000), soft=True) is None


def test_var_of_one_name_by_hand():
    # 1,000,000 of AAA: 1 % of the factor and 1 % of its own are 14,142 a day, times 2.3263 32,899.5.
    found = held(limits({"var": 32_900}), value=1_000_000 - 1_000)
    assert var_of(found.exposures.variance()) == int(2.3263478740408408 * np.sqrt(2) * 0.01 * 999_000)
    assert passed(found, buy(1_000)) is None
    assert passed(found, buy(1_100)) == ("var", "firm")
    assert passed(found, buy(1, "CCC")) == ("var", "CCC")


def test_days_to_sell_a_name_of_the_firm():
    found = limits({"liquidity_days": 3})
    assert passed(found, buy(1, shares=3_000, before=0)) is None
    assert passed(found, buy(1, shares=3_001, before=0)) == ("liquidity_days", "AAA")
    assert passed(limits({"liquidity_days": 3, "participation_bps": 2_000}), buy(1, shares=6_000, before=0)) is None
    assert found.passed(buy(1, "CCC", shares=1, before=0)).note == "its volume is unknown"


def test_the_correlation_of_two_managers():
    found = held(limits({"correlation_bps": 5_000}))
    # AAA with AAA is 1.
    assert passed(found, buy(10, pm="bob")) == ("correlation_bps", "ann and bob")
    # AAA is half factor, BBB all of it: -0.707 bought, 0.707 sold short.
    assert passed(found, buy(10, "BBB", pm="bob")) is None
    assert passed(found, sale(10, "BBB", more=10, pm="bob")) == ("correlation_bps", "ann and bob")
    assert (
        passed(limits({"correlation_bps": 7_072}) and held(limits({"correlation_bps": 7_072})), sale(10, "BBB")) is None
    )


def test_what_lowers_a_correlation_passes_above_the_level():
    found = held(held(limits({"correlation_bps": 5_000})), value=500, pm="bob")
    assert passed(found, buy(10, "BBB", pm="bob")) is None


def test_soft_levels_are_others():
    found = held(limits({"sector": 2_000, "warn_sector": 1_200}))
    assert passed(found, buy(300)) is None
    assert passed(found, buy(300), soft=True) == ("sector", "Energy")


def test_without_a_model_what_needs_one_fails():
    found = limits({"var": 10**9, "factor": 10**9}, factors=None)
    assert passed(found, buy(1, shares=1, before=0)) == ("factor", "AAA")
    assert passed(found, sale(1, shares=1, before=1)) is None


def test_nothing_asked_is_nothing_passed():
    assert not FirmLimits.asked({("firm", "", "gross"): 1, ("firm", "", "participation_bps"): 1})
    assert FirmLimits.asked({("factor", "market", "warn_exposure"): 1})
    assert passed(limits({}), buy(10**12)) is None


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({("sector", "Enrgy", "gross"): 1}, "there is no sector 'Enrgy'; did you mean 'Energy'"),
        ({("factor", "size", "exposure"): 1}, "there is no factor 'size'; there are market"),
    ],
)
def test_a_limit_of_what_there_is_not(given, text):
    with pytest.raises(InputError, match=text):
        limits(given)


def test_what_is_put_off_decides_as_what_is_looked_at():
    """Far from a level no factor is looked at; the decisions are those of sums made anew for every order."""
    random = np.random.default_rng(4)
    names = [f"S{i}" for i in range(6)]
    model = FactorModel(random.normal(size=(6, 3)), np.eye(3) * 1e-4, random.uniform(1e-5, 4e-4, 6))
    scoped = {("firm", "", "var"): 50_000, ("firm", "", "factor"): 1_500_000, ("firm", "", "warn_var"): 30_000}
    facts, factors = {name: NameFacts() for name in names}, whole_factors(names, model)
    kept, seen = FirmLimits(scoped, facts, factors), set()
    for _ in range(400):
        symbol, value = names[random.integers(6)], int(random.integers(1, 200_000))
        order = sale(value, symbol) if random.random() < 0.5 else buy(value, symbol)
        anew = FirmLimits(scoped, facts, factors)
        for name, ends in kept.exposures.ends.items():
            anew.exposures.name(name, *ends)
        found = kept.passed(order)
        assert found == anew.passed(order)
        assert kept.passed(order, soft=True) == anew.passed(order, soft=True)
        seen.add(found and found.limit)
        low, high = kept.exposures.ends.get(symbol, (0, 0))
        if found is None:
            kept.exposures.name(symbol, low + order.lower, high + order.upper)
        elif random.random() < 0.5:
            kept.exposures.name(symbol, low // 2, high // 2)
    assert seen == {None, "var", "factor"}
    assert kept.exposures.settled < 900
