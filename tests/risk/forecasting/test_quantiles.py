import pytest
from scipy import stats

from quantray.risk.forecasting.quantiles import normal_quantile, normal_shortfall, student_quantile, student_shortfall


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99, 0.9999])
def test_as_scipy_says(level):
    quantile = stats.norm.ppf(level)
    assert normal_quantile(level) == pytest.approx(quantile, abs=1e-14)
    assert normal_shortfall(level) == pytest.approx(stats.norm.pdf(quantile) / (1 - level))
    for degrees in (1.5, 3.0, 30.0, 1e6):
        quantile = stats.t.ppf(level, degrees)
        assert student_quantile(level, degrees) == pytest.approx(quantile, abs=1e-12)
        beyond = stats.t.pdf(quantile, degrees) * (degrees + quantile**2) / ((degrees - 1) * (1 - level))
        assert student_shortfall(level, degrees) == pytest.approx(beyond, rel=1e-8)


def test_a_hand_computed_tail():
    # Of Student's t with three degrees of freedom at one half: the density at zero, 2 / (pi sqrt 3), times 3.
    assert student_shortfall(0.5, 3.0) == pytest.approx(6 / (3.14159265 * 3**0.5))
    assert normal_shortfall(0.5) == pytest.approx((2 / 3.14159265) ** 0.5)
