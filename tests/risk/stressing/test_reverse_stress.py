import cvxpy as cp
import numpy as np
import pytest
from mixed_book import mixed_book
from numpy.testing import assert_allclose
from scipy import stats
from share_market import share_market, share_model, shares

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.positions.holdings import Holdings, Options
from quantray.risk.positions.market import Market
from quantray.risk.positions.sensitivities import sensitivities
from quantray.risk.stressing.reverse_stress import most_likely_loss, reverse_stress
from quantray.risk.tail import gaussian_var

DAY = np.datetime64("2020-06-30")


def test_a_linear_book_loses_most_likely_along_its_covariances():
    book, market, model = shares([0.5, 0.3, -0.4, 0.2]), share_market(), share_model()
    found = reverse_stress(book, market, model, 0.1)
    exposure, covariance = np.array([0.5, 0.3, -0.4, 0.2]), model.dense()
    variance = exposure @ covariance @ exposure
    assert_allclose(found.result.changes, -0.1 * covariance @ exposure / variance)
    assert_allclose(found.result.loss, 0.1)
    assert_allclose(found.distance, 0.1 / np.sqrt(variance))
    assert_allclose(found.probability, stats.norm.sf(found.distance))
    assert_allclose(found.result.by_factor.losses.sum(), 0.1)
    assert_allclose(found.factor_deviations, found.factor_moves / 0.01)


def test_no_other_move_of_a_linear_book_is_nearer():
    model, exposure = share_model(), np.array([0.5, 0.3, -0.4, 0.2])
    found = reverse_stress(shares(exposure), share_market(), model, 0.05)
    # Independent unit shocks: two of factors, four of the shares' own.
    root = np.hstack([model.root, np.diag(np.sqrt(model.specific_variance))])
    shocks = cp.Variable(6)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(shocks)), [exposure @ root @ shocks == -0.05])
    problem.solve(solver=cp.CLARABEL)
    assert_allclose(found.distance, np.sqrt(problem.value), rtol=1e-6)
    assert_allclose(found.result.changes, root @ shocks.value, atol=1e-7)


def test_the_loss_at_the_value_at_risk_is_as_likely_as_that_says():
    book, model = shares([0.5, 0.3, -0.4, 0.2]), share_model()
    var = gaussian_var(np.array([0.5, 0.3, -0.4, 0.2]), model, level=0.99)
    assert_allclose(reverse_stress(book, share_market(), model, var).probability, 0.01)
    longer = reverse_stress(book, share_market(), model, 2 * var, horizon_days=4)
    assert_allclose(longer.probability, 0.01)


def straddle(size=-1.0, hedge=0.0):
    """Options on a share that do not follow it to first order, and another share."""
    market = Market(DAY, ["A", "B"], [100.0, 50.0], [], np.zeros((0, 2)))
    both = {"volatility": [0.3, 0.3], "rate": [0, 0], "dividend_yield": [0, 0], "volatility_drivers": ["", ""]}
    terms = Options([0, 1], strike=[100, 100], expiry=[DAY + 60] * 2, is_call=[True, False], **both)
    book = Holdings(["call", "put", "B"], [size, size, hedge], 100.0, drivers=["A", "A", "B"], options=terms)
    return book, market, FactorModel(np.zeros((2, 0)), np.zeros((0, 0)), np.array([4e-4, 4e-4]))


def _nearest(seen, model, loss):
    """By looking in every direction, in two dimensions."""
    angle = np.linspace(0, 2 * np.pi, 20_001)
    way = np.column_stack([np.cos(angle), np.sin(angle)]) * np.sqrt(model.specific_variance)
    slope = way @ seen.exposure
    bend = np.array([line @ seen.bent(line) for line in way])
    root = np.sqrt(np.maximum(slope**2 - 2 * bend * loss, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.stack([(-slope - root) / bend, (-slope + root) / bend])
        short = far * slope + far**2 * bend / 2 + loss
    return np.nanmin(np.where((np.abs(short) < 1e-9) & (far > 0), far, np.nan))


@pytest.mark.parametrize("hedge", [0.0, 0.3, 2.0])
def test_a_short_straddle_loses_by_a_move_either_way(hedge):
    book, market, model = straddle(hedge=hedge)
    seen = sensitivities(book, market)
    found = reverse_stress(book, market, model, 0.1)
    assert_allclose(found.distance, _nearest(seen, model, 0.1), rtol=1e-5)
    second_order = -seen.gain(found.result.changes[None, :])[0]
    assert_allclose(second_order, 0.1)
    # Beyond second order the book is valued in full.
    assert 0.05 < found.result.loss < 0.12


def test_a_mixed_book_has_no_nearer_loss_nearby():
    holdings, market = mixed_book()
    generator = np.random.default_rng(0)
    model = FactorModel(generator.normal(0, 1, (7, 2)), np.eye(2) * 1e-4, generator.uniform(1e-5, 1e-4, 7))
    seen = sensitivities(holdings, market)
    weights = most_likely_loss(seen, model, 0.05)
    move, covariance = model.apply(weights), model.dense()
    distance = np.sqrt(weights @ move)
    for _ in range(200):
        way = np.linalg.cholesky(covariance) @ generator.normal(0, 1, 7)
        other = move + 0.3 * way / np.sqrt(way @ np.linalg.solve(covariance, way)) * distance
        # Along the line from no move, to where it loses as much.
        slope, bend = seen.exposure @ other, other @ seen.bent(other)
        root = np.roots([bend / 2, slope, 0.05])
        far = root[np.isreal(root) & (root.real > 0)].real
        if len(far):
            assert far.min() * np.sqrt(other @ np.linalg.solve(covariance, other)) >= distance * (1 - 1e-9)


def test_what_cannot_be_lost_is_refused():
    # A long straddle loses little of second order: it gains on every move.
    book, market, model = straddle(size=1.0)
    with pytest.raises(InputError, match=r"no move was found that loses 50.0%"):
        reverse_stress(book, market, model, 0.5)
    with pytest.raises(InputError, match="both must be positive"):
        reverse_stress(book, market, model, -0.1)
    with pytest.raises(InputError, match="no risk in the model"):
        reverse_stress(shares([0.0, 0.0]), share_market(), share_model(), 0.1)
    # Half of the book in shares that lose three quarters of NAV: more than all they are worth.
    with pytest.raises(InputError, match=r"a loss of 75.0% would take a change of -\d+% of .*, and no price falls by"):
        reverse_stress(shares([0.3, 0.2]), share_market(), share_model(), 0.75)
