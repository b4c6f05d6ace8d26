"""What users bring is tried on a made-up market: what must not pass is refused by name, the rest goes through."""

import own_forecasters
import pytest

from quantray.errors import InputError
from quantray.studies.forecasts.door import try_models
from quantray.studies.forecasts.settings import ModelSettings


@pytest.fixture
def tried(forecast_settings):
    def attempt(kind, **changes):
        kind = f"own_forecasters:{kind}" if hasattr(own_forecasters, kind) else kind
        model = ModelSettings(name="Mine", kind=kind, **changes)
        try_models(forecast_settings("runs", models=(model,)), sectors=False)

    return attempt


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("Trend", {"parameters": {"days": 10}}),
        ("Regressor", {}),
        ("piped", {"parameters": {"alpha": 5.0}}),
        ("Shuffles", {}),
        ("PeeksInFit", {}),  # it sees nothing
        ("elastic_net", {"parameters": {"l1_ratio": 0.9}}),
        ("ridge", {}),
    ],
)
def test_what_keeps_to_the_law_passes(tried, kind, changes, capsys):
    tried(kind, **changes)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("kind", "changes", "told"),
    [
        ("Peeks", {}, "gave other scores when prices of later dates were there: it looks ahead; score each date from"),
        ("Missing", {}, "forecaster 'own_forecasters:Missing' gave 1 scores of 24 on .* that are NaN or infinite"),
        ("Remembers", {}, "when asked again: it draws random numbers, or keeps something between calls"),
        ("Counts", {}, "after it had seen a later date: it keeps something between dates; score from what is given"),
        ("Draws", {}, "fitted again on the same data it gave other scores: it draws random numbers without the seed"),
        ("DrawsAgain", {}, "when asked again: it draws random numbers, or keeps something between calls"),
        ("Unpicklable", {}, "'own_forecasters:Unpicklable' cannot be pickled"),
        ("TakesAMinute", {"trial_seconds": 0.2}, r"a fit of 24 names took more than 0.2 s; make it faster, or raise"),
        ("Raises", {}, "raised ValueError, fitted on .*: no fit today"),
        ("Regressor", {"parameters": {"power": 2}}, r"parameters do not fit \(.*its parameters are factor"),
        ("elastic_net", {"parameters": {"l1_ratio": 3}}, "l1_ratio 3 must lie above 0 and be at most 1"),
        ("hist_gradient_boosting", {"parameters": {"depth": 3}}, "parameters do not fit"),
    ],
)
def test_what_must_not_pass_is_refused_by_name(tried, kind, changes, told):
    with pytest.raises(InputError, match=f"Mine: tried on made-up prices before the study, .*{told}"):
        tried(kind, **changes)


def test_an_order_of_assets_that_counts_is_said(tried, capsys):
    tried("ByPlace")
    assert "Mine: tried on made-up prices before the study, scores depend on the order" in capsys.readouterr().err
