"""Searches: what they try, that they learn, and that nothing but the seed and the scores moves them."""

import numpy as np
import pytest

from quantray.errors import InputError
from quantray.studies.evaluation.search import Axis, Space, begin


def ordered(parameters):
    values = dict(parameters)
    return values["fast"] < values["slow"]


def anything(parameters):
    return True


SPACE = Space((Axis("fast", (2, 5, 10, 20)), Axis("slow", (5, 10, 20))), ordered)
WIDE = Space(tuple(Axis(f"p{i}", tuple(range(20))) for i in range(4)), anything)


def target(parameters):
    """Highest at 13, 13, 13, 13."""
    return -sum((value - 13) ** 2 for _, value in parameters) / 100


def course(search, score=target):
    asked = []
    while generation := search.ask():
        asked.append(generation)
        search.tell([score(s) for s in generation])
    return asked


def flat(asked):
    return [s for generation in asked for s in generation]


def test_a_grid_is_every_allowed_set_once():
    (sets,) = course(begin(SPACE, "grid", trials=1, generation=1, seed=0))
    assert sets == (
        (("fast", 2), ("slow", 5)),
        (("fast", 2), ("slow", 10)),
        (("fast", 2), ("slow", 20)),
        (("fast", 5), ("slow", 10)),
        (("fast", 5), ("slow", 20)),
        (("fast", 10), ("slow", 20)),
    )


def test_draws_differ_by_seed_and_hold_no_set_twice():
    (first,) = course(begin(WIDE, "random", trials=50, generation=1, seed=1))
    (again,) = course(begin(WIDE, "random", trials=50, generation=9, seed=1))
    (other,) = course(begin(WIDE, "random", trials=50, generation=1, seed=2))
    assert first == again != other
    assert len(set(first)) == 50
    (few,) = course(begin(SPACE, "random", trials=4, generation=1, seed=3))
    assert len(set(few)) == 4
    assert all(map(ordered, few))
    (everything,) = course(begin(SPACE, "random", trials=99, generation=1, seed=3))
    assert len(everything) == 6


@pytest.mark.parametrize("generation", [1, 8])
def test_tpe_learns_where_the_best_is(generation):
    tpe = flat(course(begin(WIDE, "tpe", trials=160, generation=generation, seed=4)))
    drawn = flat(course(begin(WIDE, "random", trials=160, generation=1, seed=4)))
    late = np.mean([target(s) for s in tpe[-40:]])
    assert late > np.mean([target(s) for s in drawn]) + 0.5
    assert max(map(target, tpe)) > max(map(target, drawn))


def test_tpe_repeats_itself_to_the_bit_and_asks_nothing_twice():
    first = course(begin(WIDE, "tpe", trials=60, generation=8, seed=5))
    assert first == course(begin(WIDE, "tpe", trials=60, generation=8, seed=5))
    assert first != course(begin(WIDE, "tpe", trials=60, generation=8, seed=6))
    assert len(set(flat(first))) == len(flat(first))
    assert all(len(generation) <= 8 for generation in first)


def test_tpe_never_hands_out_what_is_not_allowed_and_ends():
    asked = flat(course(begin(SPACE, "tpe", trials=80, generation=5, seed=7), score=lambda s: 0.0))
    assert all(map(ordered, asked))
    assert len(asked) == len(set(asked)) <= 6


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Axis("fast", ()), "one or more values once"),
        (lambda: Axis("fast", (1, 1)), "one or more values once"),
        (lambda: begin(SPACE, "grid", trials=0, generation=1, seed=0), "0 trials"),
        (lambda: begin(SPACE, "hill", trials=1, generation=1, seed=0), "not one of grid, random, tpe"),
        (lambda: begin(WIDE, "grid", trials=1, generation=1, seed=0), "grid of 160,000 sets is too large"),
        (
            lambda: begin(Space(SPACE.axes, lambda s: False), "grid", trials=1, generation=1, seed=0),
            "no combination of fast, slow is allowed",
        ),
        (
            lambda: begin(Space(WIDE.axes, lambda s: False), "random", trials=3, generation=1, seed=0),
            "none of 300 draws of p0, p1, p2, p3 is allowed",
        ),
    ],
)
def test_wrong_input_is_refused(call, text):
    with pytest.raises(InputError, match=text):
        call()
