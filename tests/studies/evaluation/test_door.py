"""Strategies of users' own are tried on the study's data: what must not pass is refused by name."""

import own_strategies
import pytest

from quantray.data.synthetic import simulate_market
from quantray.errors import InputError
from quantray.studies.evaluation.door import try_strategies
from quantray.studies.evaluation.strategy_settings import OwnStrategy

PANEL = simulate_market(n_assets=8, n_days=60, seed=2).panel


def tried(name, panel=PANEL, **changes):
    try_strategies([OwnStrategy(name="Mine", rule=f"own_strategies:{name}", **changes)], panel)


@pytest.mark.parametrize("name", ["dip", "Dip", "seeded"])
def test_what_keeps_to_the_law_passes(name, capsys):
    tried(name)
    try_strategies(["pairs", f"own_strategies:{name}"], PANEL)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("peeks", {}, "gave other weights for .* when later dates were there: it looks ahead"),
        ("missing", {}, "of 1 weights, is NaN or infinite; give 0 for nothing"),
        ("remembers", {}, "after it had seen a later date: it keeps something between"),
        ("draws", {}, "when asked again: it draws random numbers without a seed"),
        ("unpicklable", {}, "'own_strategies:unpicklable' cannot be pickled"),
        ("takes_a_minute", {"trial_seconds": 0.1}, "one call about 8 names took more than 0.1 s; make it faster"),
        ("dip", {"parameters": {"width": 1}}, "parameters do not fit"),
        ("dip", {"ranges": {"days": (3, 5, "week")}}, "with days 'week', strategy .* raised TypeError"),
    ],
)
def test_what_must_not_pass_is_refused_by_name(name, changes, told):
    own_strategies.KEPT.clear()
    with pytest.raises(InputError, match=told):
        tried(name, **changes)


def test_an_order_of_assets_that_counts_is_said(capsys):
    tried("by_place")
    assert "Mine: tried on 8 names before the study, weights depend on the order" in capsys.readouterr().err


def test_too_few_days_are_refused():
    with pytest.raises(InputError, match="20 days are too few to try a strategy on; take 25"):
        tried("dip", PANEL.until(19))
