import numpy as np
import pytest

from quantray.errors import InputError
from quantray.studies.portfolios.allocators import allocate
from quantray.studies.portfolios.alpha_settings import AlphaSettings, ForecastChoice
from quantray.studies.portfolios.settings import AllocatorSettings

FORECASTS = ForecastChoice(store="forecasts", model="m")


def allocator(rule="mean_variance", max_weight=1.0, name="MV", **alpha):
    given = AlphaSettings(**({"forecasts": FORECASTS} | alpha))
    return AllocatorSettings(name=name, rule=rule, estimator="statistical", max_weight=max_weight, alpha=given)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"rule": "mean_variance", "estimator": "statistical"}, "need alpha, and the other rules take none"),
        ({"rule": "hrp", "alpha": {"forecasts": {"control": "reversal"}}}, "the other rules take none"),
        ({"rule": "mean_variance", "alpha": {"forecasts": {"control": "reversal"}}}, "needs estimator statistical"),
        (
            {
                "rule": "max_sharpe",
                "estimator": "statistical",
                "alpha": {"forecasts": {"control": "reversal"}, "risk_aversion": 3},
            },
            "no risk_aversion",
        ),
        (
            {"rule": "mean_variance", "alpha": {"forecasts": {"model": "gat", "control": "reversal"}}},
            "need either a model in a store or a control",
        ),
        ({"rule": "mean_variance", "alpha": {"forecasts": {}}}, "need either a model in a store or a control"),
        (
            {"rule": "mean_variance", "alpha": {"forecasts": {"control": "reversal", "version": 2}}},
            "takes no store and no version",
        ),
        ({"rule": "mean_variance", "alpha": {"forecasts": {"control": "reversal"}, "ic": 0}}, "greater than 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(values, text):
    with pytest.raises(ValueError, match=text):
        AllocatorSettings(name="x", **values)


def test_forecasts_cannot_be_decided_on_without_a_study():
    with pytest.raises(InputError, match="MV: mean_variance acts on forecasts"):
        allocate(np.zeros((50, 3)), allocator())
