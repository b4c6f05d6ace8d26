from dataclasses import replace

import numpy as np
import pytest

from quantray.errors import InputError
from quantray.risk.limiting.limit_levels import Conditions, moved_levels
from quantray.risk.limiting.trust import Trust, trust, trust_scores
from quantray.risk.limits import Limit, Moves
from quantray.risk.tail import rescaled_returns

DAY = np.datetime64("2020-03-02")
LOSS = Limit(
    name="loss",
    metric="var",
    scope="book",
    soft=0.016,
    hard=0.02,
    moves=Moves(floor=0.005, volatility={"extreme": 0.5, "high": 0.8}, week={"wild": 0.75, "bear": 0.9}, trust=True),
)
FIXED = Limit(name="gross", metric="gross", scope="book", soft=1.5, hard=2.0)


def hard(**conditions):
    return moved_levels([LOSS, FIXED], Conditions(day=DAY, **conditions)).limits[0].hard


def test_levels_by_hand():
    assert hard() == 0.02
    assert np.isclose(hard(volatility="extreme"), 0.01)
    assert np.isclose(hard(volatility="high", week="bear"), 0.0144)
    assert np.isclose(hard(trust=Trust(0.5, "doubt")), 0.0125)
    assert np.isclose(hard(volatility="extreme", week="wild", trust=Trust(0.2, "doubt")), 0.005 + 0.0025 * 0.2)
    assert hard(volatility="low", week="bull", trust=Trust(1.0, "whole")) == 0.02
    low = replace(LOSS, moves=replace(LOSS.moves, floor=0.015))
    assert moved_levels([low], Conditions(day=DAY, volatility="extreme")).limits[0].hard == 0.015


def test_soft_levels_move_along_and_others_stay():
    loss, gross = moved_levels([LOSS, FIXED], Conditions(day=DAY, volatility="extreme")).limits
    assert np.isclose(loss.soft, 0.008)
    assert gross == FIXED


def test_no_conditions_take_a_level_above_its_cap_or_below_its_floor():
    generator = np.random.default_rng(0)
    for _ in range(200):
        level = hard(
            volatility=str(generator.choice(["low", "high", "extreme", "unknown"])),
            week=str(generator.choice(["bull", "bear", "wild", "choppy"])),
            trust=Trust(float(generator.random()), "doubt"),
        )
        assert 0.005 <= level <= 0.02


def test_equal_levels_stay_equal_whatever_the_rounding():
    one = replace(LOSS, soft=0.02)
    for score in np.random.default_rng(0).random(500).tolist():
        (moved,) = moved_levels([one], Conditions(day=DAY, trust=Trust(score, "doubt"))).limits
        assert moved.soft == pytest.approx(moved.hard)


def test_each_change_is_a_record_with_its_reason():
    first = moved_levels([LOSS, FIXED], Conditions(day=DAY, volatility="extreme", trust=Trust(0.5, "too many hits")))
    (change,) = first.changes
    assert (change.day, change.name, change.before) == ("2020-03-02", "loss", 0.02)
    assert np.isclose(change.after, 0.0075)
    assert change.why == "volatility is extreme: 50%; trust 0.50, too many hits"
    same = moved_levels(
        [LOSS, FIXED], Conditions(day=DAY + 1, volatility="extreme", trust=Trust(0.5, "too many hits")), first.limits
    )
    assert same.changes == ()
    (back,) = moved_levels([LOSS, FIXED], Conditions(day=DAY + 2), same.limits).changes
    assert (back.after, back.why) == (0.02, "conditions and trust are back")


def test_without_moves_nothing_happens():
    still = replace(LOSS, moves=None)
    found = moved_levels([still], Conditions(day=DAY, volatility="extreme", week="wild", trust=Trust(0.0, "none")))
    assert found.limits == (still,)
    assert found.changes == ()


def test_other_limits_before_are_refused():
    with pytest.raises(InputError, match="limit 'gross' is not both declared and among those before"):
        moved_levels([LOSS], Conditions(day=DAY), [LOSS, FIXED])


def test_trust_tightens_before_a_planted_loss_of_calibration_does_harm():
    """Forecasts stop following a volatility that doubles; five weeks later a crash comes."""
    generator, start, crash = np.random.default_rng(7), 400, 425
    returns = generator.normal(0, 0.01, 450)
    returns[start:] *= 2.2
    returns[crash : crash + 5] = -0.05
    forecast = np.full(450, 1.645 * 0.01)
    hits = -returns > forecast
    moving, levels, changes, held = [LOSS], np.full(450, 0.02), [], None
    for day in range(300, 450):
        # On the morning of a day, trust knows the hits up to the day before.
        found = moved_levels(moving, Conditions(day=DAY + day, trust=trust(hits[:day])), held)
        levels[day], held = found.limits[0].hard, found.limits
        changes += found.changes
    assert (levels[300:start] > 0.95 * 0.02).all()
    assert (levels[crash - 5 : crash + 1] < 0.6 * 0.02).all()
    size = levels / 0.02
    harm, spared = -(returns[crash : crash + 5]).sum(), -(size * returns)[crash : crash + 5].sum()
    assert spared < 0.6 * harm
    first = next(change for change in changes if change.after < 0.8 * 0.02 and change.day >= str(DAY + start))
    assert np.datetime64(first.day) < DAY + crash
    assert "exceeded their forecast" in first.why
    # Forecasts that follow the volatility keep their trust through the same weeks.
    follows = np.array([1.645 * rescaled_returns(returns[:day])[-60:].std() for day in range(start, crash)])
    assert trust_scores(-returns[start:crash] > follows).min() > trust_scores(hits)[start:crash].min()
