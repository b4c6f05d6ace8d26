"""What the serial executor promises; tests/distributed holds the same promises of Ray."""

import sys

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_info

from quantray.errors import DataError, InputError
from quantray.research.executor import Serial


def scaled(shared, item):
    return shared["values"] * item


def mutating(shared, item):
    shared["values"][0] = item
    return item


def threads_of(shared, item):
    return max(pool["num_threads"] for pool in threadpool_info())


def failing(shared, item):
    if item == 2:
        raise DataError("item 2 is bad.")
    return item


def test_results_come_in_order():
    out = list(Serial().map(scaled, [3.0, 1.0, 2.0], shared={"values": np.arange(3.0)}))
    assert [list(values) for values in out] == [[0, 3, 6], [0, 1, 2], [0, 2, 4]]


def test_a_stored_value_serves_several_maps():
    executor = Serial()
    stored = executor.put({"values": np.ones(2)})
    assert [v.sum() for v in executor.map(scaled, [1.0, 2.0], shared=stored)] == [2.0, 4.0]
    assert [v.sum() for v in executor.map(scaled, [5.0], shared=stored)] == [10.0]


def test_shared_arrays_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        list(Serial().map(mutating, [1.0], shared={"values": np.ones(2)}))


def test_the_callers_arrays_stay_as_they_were():
    values = np.ones(2)
    list(Serial().map(scaled, [2.0], shared={"values": values}))
    values[0] = 5.0
    assert values[0] == 5.0


def test_threads_are_limited():
    a = np.ones((4, 4)) @ np.ones((4, 4))
    assert a[0, 0] == 4.0
    assert list(Serial().map(threads_of, [0], shared=None)) == [1]


def test_pools_of_threads_are_looked_for_again_once_something_was_imported(monkeypatch):
    looks: list[int] = []

    class Noting(ThreadpoolController):
        def __init__(self):
            looks.append(1)
            super().__init__()

    monkeypatch.setattr("quantray.research.executor.ThreadpoolController", Noting)
    monkeypatch.setitem(sys.modules, "a_first_module", sys)
    assert list(Serial().map(threads_of, [0, 1, 2], shared=None)) == [1, 1, 1]
    assert looks == [1]
    monkeypatch.setitem(sys.modules, "a_second_module", sys)
    assert list(Serial().map(threads_of, [0], shared=None)) == [1]
    assert looks == [1, 1]


def test_an_error_arrives_where_its_result_would():
    results = Serial().map(failing, [1, 2, 3], shared=None)
    assert next(results) == 1
    with pytest.raises(DataError, match="item 2 is bad"):
        next(results)


def test_what_cannot_be_sent_is_refused():
    with pytest.raises(InputError, match="cannot be sent to a worker"):
        Serial().put(lambda: None)
