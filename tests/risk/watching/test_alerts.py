import numpy as np

from quantray.risk.limits import Limit
from quantray.risk.watching.alerts import Watch

LIMIT = Limit(name="single name", metric="gross", scope="every name", soft=0.8, hard=1.0)


def news(values, margin=0.1):
    """The states that a series of values of one item is alerted of, day by day."""
    watch = Watch([(LIMIT, np.array(["A"]))], margin)
    every = slice(None)
    return [[alert.state for alert in watch.look(every, np.array([value]), i)] for i, value in enumerate(values)]


def test_a_breach_is_news_once():
    assert news([0.5, 0.85, 0.85, 0.9]) == [[], ["soft"], [], []]
    assert news([0.5, 1.1, 1.2]) == [[], ["hard"], []]
    assert news([0.85, 1.1]) == [["soft"], ["hard"]]


def test_a_level_is_armed_again_only_past_the_margin():
    assert news([0.85, 0.75, 0.85]) == [["soft"], [], []]
    assert news([0.85, 0.71, 0.85]) == [["soft"], [], ["soft"]]
    # Back under the hard level by the margin, but still above the soft one.
    assert news([1.1, 0.95, 1.1]) == [["hard"], [], []]
    assert news([1.1, 0.85, 1.1]) == [["hard"], [], ["hard"]]


def test_items_are_apart_and_unknown_ones_silent():
    watch = Watch([(LIMIT, np.array(["A", "B", "C"]))], 0.05)
    (first,) = watch.look(np.array([1]), np.array([0.9]), 1)
    assert (first.scope, first.state, first.value, first.level, first.tick) == ("B", "soft", 0.9, 0.8, 1)
    found = watch.look(slice(None), np.array([1.5, 0.9, np.nan]), 2)
    assert [(alert.scope, alert.state) for alert in found] == [("A", "hard")]


def test_limits_beside_one_another_keep_their_own_levels():
    wide = Limit(name="gross", metric="gross", scope="book", soft=1.5, hard=2.0)
    watch = Watch([(LIMIT, np.array(["A", "B"])), (wide, np.array(["book"]))], 0.05)
    found = watch.look(slice(None), np.array([0.9, 0.1, 1.8]), 1)
    assert [(alert.name, alert.scope, alert.state, alert.level) for alert in found] == [
        ("single name", "A", "soft", 0.8),
        ("gross", "book", "soft", 1.5),
    ]
    (later,) = watch.look(np.array([2, 1]), np.array([2.1, 0.2]), 2)
    assert (later.name, later.state) == ("gross", "hard")
