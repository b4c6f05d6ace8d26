import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.constraints import Limits, Market, bounds, coupling_rows
from quantray.portfolio.solve import InfeasibleError

MODEL = FactorModel(
    np.array([[1.0, 0.2], [2.0, 0.4], [3.0, -0.6]]), np.eye(2), np.ones(3), np.array(["market", "size"])
)
HELD = np.array([0.5, 0.3, 0.2])
LABELS = np.array(["energy", "banks", "energy"])


# Limits check themselves


@pytest.mark.parametrize("name", ["budget", "weight", "beta"])
def test_a_range_upside_down_is_refused(name):
    with pytest.raises(InputError, match=rf"the range of {name} is \(1, 0\); the lower end comes first"):
        Limits(**{name: (1, 0)})


@pytest.mark.parametrize("name", ["sectors", "factors"])
def test_a_named_range_upside_down_is_refused(name):
    with pytest.raises(InputError, match="the range of energy is"):
        Limits(**{name: {"energy": (0.2, 0.1)}})


@pytest.mark.parametrize(
    "name", ["gross", "turnover", "annual_turnover", "adv_position", "adv_trade", "tracking_error"]
)
@pytest.mark.parametrize("value", [-0.1, float("nan")])
def test_a_negative_limit_is_refused(name, value):
    with pytest.raises(InputError, match=f"{name} is {value}; it must not be negative"):
        Limits(**{name: value})


def test_a_nan_in_a_range_is_refused():
    with pytest.raises(InputError, match="the range of beta"):
        Limits(beta=(float("nan"), 1.0))


@pytest.mark.parametrize(
    "changes", [{"minimum_trade": -1e-3}, {"minimum_trade": float("nan")}, {"periods_per_year": 0}]
)
def test_odd_trades_and_days_are_refused(changes):
    with pytest.raises(InputError, match="they must not be negative, nor periods_per_year zero"):
        Limits(**changes)


def test_relax_names_limits_that_exist():
    Limits(relax=("turnover", "gross", "beta", "budget", "position size", "trade size", "sector energy", "factor size"))
    with pytest.raises(InputError, match="relax names 'turnovr'; it may name turnover, gross, beta"):
        Limits(relax=("beta", "turnovr"))


# The market checks itself


@pytest.mark.parametrize("name", ["cost", "impact", "borrow", "beta", "adv", "benchmark", "sectors", "restricted"])
def test_lengths_are_checked(name):
    with pytest.raises(InputError, match=rf"{name} is \(2,\) for 3 assets"):
        Market(**{name: np.zeros(2)}).checked(3)


@pytest.mark.parametrize("name", ["cost", "impact", "borrow", "beta", "adv", "benchmark"])
def test_missing_values_are_refused(name):
    with pytest.raises(InputError, match=f"{name} holds NaN or infinite values"):
        Market(**{name: np.array([0.1, np.nan, 0.1])}).checked(3)


@pytest.mark.parametrize("name", ["cost", "impact", "borrow", "adv"])
def test_negative_values_are_refused(name):
    with pytest.raises(InputError, match=f"{name} holds negative values"):
        Market(**{name: np.array([0.1, -0.1, 0.1])}).checked(3)


def test_negative_beta_and_benchmark_are_fine():
    market = Market(beta=np.array([-1.0, 1.0, 1.0]), benchmark=np.array([-0.1, 0.6, 0.5]))
    assert market.checked(3) is market


# Rows


def test_rows_by_hand():
    limits = Limits(
        budget=(0.9, 1.0),
        beta=(0.8, 1.2),
        sectors={"energy": (0.1, 0.4), "*": (0.0, 0.7)},
        factors={"size": (-0.1, 0.1)},
    )
    rows = coupling_rows(limits, Market(beta=np.array([0.5, 1.0, 1.5]), sectors=LABELS), MODEL)
    assert rows.names == ("budget", "beta", "sector banks", "sector energy", "factor size")
    assert_allclose(rows.rows, [[1, 1, 1], [0.5, 1, 1.5], [0, 1, 0], [1, 0, 1], [0.2, 0.4, -0.6]])
    assert_allclose(rows.lower, [0.9, 0.8, 0.0, 0.1, -0.1])
    assert_allclose(rows.upper, [1.0, 1.2, 0.7, 0.4, 0.1])


def test_sectors_without_a_range_have_no_row():
    rows = coupling_rows(Limits(sectors={"banks": (0, 0.4)}), Market(sectors=LABELS), MODEL)
    assert rows.names == ("budget", "sector banks")


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"beta": (0.9, 1.1)}, r"the limit on beta needs Market\(beta=...\)"),
        ({"sectors": {"*": (0, 1)}}, r"the limit on sectors needs Market\(sectors=...\)"),
    ],
)
def test_data_that_limits_need(limits, text):
    with pytest.raises(InputError, match=text):
        coupling_rows(Limits(**limits), Market(), MODEL)


def test_unknown_names_are_refused():
    with pytest.raises(
        InputError, match=r"nobody is in sector 'tech', whose weight must lie between 0.1 and 1; .* banks, energy"
    ):
        coupling_rows(Limits(sectors={"tech": (0.1, 1)}), Market(sectors=LABELS), MODEL)
    with pytest.raises(InputError, match="factor 'value' is not in the model; it has market, size"):
        coupling_rows(Limits(factors={"value": (0, 1)}), Market(), MODEL)


# Bounds


def test_bounds_by_hand():
    limits = Limits(weight=(0.0, 0.6), adv_position=2.0, adv_trade=0.5)
    market = Market(adv=np.array([0.2, 0.4, 0.6]), restricted=np.array([False, False, False]))
    lower, upper, relaxed = bounds(limits, market, HELD)
    assert_allclose(lower, [0.4, 0.1, 0.0])
    assert_allclose(upper, [0.4, 0.5, 0.5])
    assert relaxed == ()


def test_restricted_names_are_closed():
    lower, upper, _ = bounds(Limits(weight=(-1, 1)), Market(restricted=np.array([True, False, False])), HELD)
    assert_allclose(lower, [0, -1, -1])
    assert_allclose(upper, [0, 1, 1])


@pytest.mark.parametrize(("limit", "name"), [("adv_position", "position size"), ("adv_trade", "trade size")])
def test_volumes_are_needed(limit, name):
    with pytest.raises(InputError, match=rf"the limit on {name} needs Market\(adv=...\)"):
        bounds(Limits(**{limit: 0.1}), Market(), HELD)


def test_bounds_that_exclude_each_other_are_named():
    # The first holding of 0.5 may fall by 0.1 only, and may be 0.3 at most.
    market = Market(adv=np.array([1.0, 1.0, 1.0]))
    with pytest.raises(
        InfeasibleError, match="trade size and weight exclude each other on 1 assets.*ease.*by 0.1"
    ) as e:
        bounds(Limits(weight=(0, 0.3), adv_trade=0.1), market, HELD)
    (conflict,) = e.value.conflicts
    assert conflict.name == "trade size"
    assert_allclose([conflict.limit, conflict.needed], [0.4, 0.3])


def test_sizes_give_way_in_the_declared_order():
    market = Market(adv=np.full(3, 1.0), restricted=np.array([True, False, False]))
    limits = Limits(adv_trade=0.1, adv_position=0.45, relax=("position size", "trade size"))
    lower, upper, relaxed = bounds(limits, market, HELD)
    # A larger position would not help; a larger trade does, by 0.4 and for the one name only.
    (eased,) = relaxed
    assert eased.name == "trade size (1 names)"
    assert eased.needed == pytest.approx(0.4)
    assert_allclose(lower, [0.0, 0.2, 0.1])
    assert_allclose(upper, [0.0, 0.4, 0.3])


def test_a_size_that_is_not_in_the_way_stays_as_declared():
    """The restricted name is sold in one large trade; its position then is within any size."""
    limits = Limits(adv_trade=0.1, adv_position=0.05, relax=("position size", "trade size"))
    market = Market(adv=np.array([1.0, 10.0, 10.0]), restricted=np.array([True, False, False]))
    lower, upper, relaxed = bounds(limits, market, HELD)
    assert_allclose((lower[0], upper[0]), 0.0)
    (eased,) = relaxed
    assert (eased.name, eased.needed) == ("trade size (1 names)", pytest.approx(0.4))


def test_sectors_may_be_numbers():
    rows = coupling_rows(Limits(sectors={"2": (0.0, 0.3)}), Market(sectors=np.array([1, 2, 1])), MODEL)
    assert_allclose(rows.rows[1], [0, 1, 0])


def test_relaxing_a_row_that_is_not_there_is_refused():
    model = FactorModel(np.ones((4, 1)) * 0.01, np.eye(1), np.full(4, 1e-4))
    market = Market(sectors=np.array(["a", "a", "b", "b"]))
    limits = Limits(sectors={"a": (0.0, 0.6)}, relax=("turnover", "sector z"))
    with pytest.raises(
        InputError, match="relax names 'sector z', but there is no such limit; the rows are budget, sector a"
    ):
        coupling_rows(limits, market, model)


@pytest.mark.parametrize("span", [(0.0, 0.3), (-0.1, 0.1), (-0.2, 0.0)])
def test_a_limit_on_a_sector_that_nobody_is_in_is_met(span):
    limits = Limits(sectors={"tech": span, "banks": (0.0, 0.4)}, relax=("sector tech", "sector banks"))
    assert coupling_rows(limits, Market(sectors=LABELS), MODEL).names == ("budget", "sector banks")


@pytest.mark.parametrize("span", [(0.1, 0.3), (-0.3, -0.1)])
def test_a_sector_that_nobody_is_in_cannot_have_weight(span):
    with pytest.raises(InputError, match="nobody is in sector 'tech'"):
        coupling_rows(Limits(sectors={"tech": span}), Market(sectors=LABELS), MODEL)
