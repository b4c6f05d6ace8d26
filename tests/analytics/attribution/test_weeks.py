import numpy as np
import pytest

from quantray.analytics.attribution.weeks import UNTYPED, week_types
from quantray.errors import InputError

MONDAYS = np.arange("2020-01-06", "2020-12-28", 7, dtype="datetime64[D]")


def test_types_by_hand():
    moves = np.full(len(MONDAYS), 0.01)
    moves[20:24] = [0.001, -0.01, 0.05, 0.01]
    found = week_types(MONDAYS, moves)
    assert found[:13] == [UNTYPED] * 13
    assert found[19:24] == ["up", "flat", "down", "wild", "up"]
    assert week_types(MONDAYS, moves, known_at="start")[20:25] == ["up", "flat", "down", "wild", "up"]


def test_days_of_a_week_share_its_type_and_nothing_later_changes_it():
    days = np.arange("2020-01-06", "2020-10-05", dtype="datetime64[D]")
    moves = np.random.default_rng(1).normal(0, 0.01, len(days))
    found = week_types(days, moves)
    assert all(len(set(found[i : i + 7])) == 1 for i in range(0, len(days) - 6, 7))
    assert week_types(days[:210], moves[:210]) == found[:210]
    # What is known at the start is known before: the week's own moves cannot change it.
    other = moves.copy()
    other[203:210] = 0.5
    assert week_types(days, other, known_at="start")[:210] == week_types(days, moves, known_at="start")[:210]


def test_bad_input():
    with pytest.raises(InputError, match="flat 3 must lie below wild 2"):
        week_types(MONDAYS, np.zeros(len(MONDAYS)), flat=3)
