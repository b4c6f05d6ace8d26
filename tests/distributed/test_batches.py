"""Units that travel together: how many, and what becomes of them."""

import pickle

import pytest

from quantray.distributed import batches
from quantray.distributed.batches import BatchError, Ran, Waiting, batch_size, run_batch


@pytest.fixture
def clock(monkeypatch):
    """Seconds that units of these tests move on."""
    now = [0.0]
    monkeypatch.setattr(batches, "perf_counter", lambda: now[0])
    return now


def ticking(clock, item):
    if item is None:
        raise ValueError("no item")
    clock[0] += item
    return -item


def test_units_travel_together_up_to_a_tenth_of_a_second():
    assert [batch_size(seconds, 2) for seconds in (10.0, 0.06, 0.05, 0.01, 1e-9, 0.0)] == [1, 1, 2, 10, 256, 256]


def test_many_workers_get_larger_batches_so_that_the_driver_keeps_up():
    assert batch_size(0.1, 64) == 1
    assert batch_size(0.1, 1000) == 20


def test_each_worker_gets_several_batches_of_what_is_left():
    assert batch_size(0.001, 4, left=10_000) == 100
    assert batch_size(0.01, 4, left=80) == 5
    assert batch_size(0.001, 4, left=3) == 1


def test_more_workers_than_can_be_served_get_no_smaller_batches():
    # A thousand units of 4 ms: 15 of them take 60 ms, and so does handing out 63 batches.
    assert [batch_size(0.004, workers, left=1000) for workers in (4, 64, 1000)] == [25, 15, 15]


def test_the_first_units_travel_alone_and_the_next_as_those_that_came_suggest():
    waiting = Waiting(range(100), workers=1)
    assert [waiting.take(), waiting.take()] == [(0,), (1,)]
    waiting.learn(Ran((0,), 0.02))
    assert waiting.take() == (2, 3, 4, 5, 6)


def test_a_long_unit_among_short_ones_is_remembered_for_a_while():
    waiting, sizes = Waiting(range(1000), workers=1), []
    for longest in (0.4, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01):
        waiting.learn(Ran((0,), longest))
        sizes.append(len(waiting.take()))
    assert sizes == [1, 1, 1, 2, 4, 8, 10]


def test_all_units_are_handed_out_once_and_in_order():
    for items in ([], range(7), range(1000), iter(range(1000))):
        waiting, taken = Waiting(items, workers=3), []
        while some := waiting.take():
            taken += some
            waiting.learn(Ran(some, 0.003))
        assert taken == list(range(len(taken)))
        assert waiting.ended
        assert len(taken) == (len(items) if hasattr(items, "__len__") else 1000)


def test_a_batch_says_how_long_its_longest_unit_took(clock):
    ran = run_batch(ticking, clock, (0.05, 0.15, 0.01), 1)
    assert (ran.results, ran.longest) == ((-0.05, -0.15, -0.01), pytest.approx(0.15))


def test_a_failure_brings_what_was_done_before_it(clock):
    with pytest.raises(BatchError) as caught:
        run_batch(ticking, clock, (0.01, 0.02, None, 0.03), 1)
    found = pickle.loads(pickle.dumps(caught.value))
    assert found.results == (-0.01, -0.02)
    assert (type(found.failure), str(found.failure)) == (ValueError, "no item")
    with pytest.raises(BatchError):
        run_batch(ticking, clock, (None, 0.01), 1)
    with pytest.raises(ValueError, match="no item"):
        run_batch(ticking, clock, (None,), 1)
