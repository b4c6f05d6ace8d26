"""Features of users' own are tried on the study's data: what must not pass is refused by name."""

import own_features
import pytest

from quantray.data.synthetic import simulate_market
from quantray.errors import InputError
from quantray.studies.forecasts.feature_door import try_features
from quantray.studies.forecasts.settings import OwnFeatureSettings

PANEL = simulate_market(8, 60, seed=2).panel


def tried(name, panel=PANEL, **changes):
    values = {"name": "mine", "feature": f"own_features:{name}", "lookback": 5}
    try_features([OwnFeatureSettings(**(values | changes))], panel)


def test_what_keeps_to_the_law_passes(capsys):
    tried("gap")
    tried("spread", lookback=0, fields=("high", "low"))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("peeks", {}, "mine: tried on 8 names before the study, it gave other values for .*: it looks ahead"),
        ("of_all_time", {}, "gave other values for .* from 5 rows before it than from all: raise lookback"),
        ("gap", {"lookback": 3}, "raise lookback"),
        ("remembers", {}, "after it had seen a later date: it keeps something between dates"),
        ("draws", {}, "draws random numbers without a seed"),
        ("unpicklable", {}, "cannot be pickled"),
        ("takes_a_minute", {"trial_seconds": 0.1}, "took more than 0.1 s"),
        ("infinite", {}, "is infinite for"),
        ("gap", {"parameters": {"width": 1}}, "parameters do not fit"),
        ("gap", {"lookback": 58}, "60 days are too few for its look-back of 58"),
    ],
)
def test_what_must_not_pass_is_refused_by_name(name, changes, told):
    own_features.KEPT.clear()
    with pytest.raises(InputError, match=told):
        tried(name, **changes)


def test_fields_that_the_data_have_not_are_named():
    with pytest.raises(InputError, match="it needs high, low, which the data have not; they have close"):
        tried("spread", PANEL.with_only("close"), lookback=0, fields=("high", "low"))
