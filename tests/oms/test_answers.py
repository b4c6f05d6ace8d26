"""The answer to a command: there once, for whoever waits and for whoever is told, taken up or canceled but not both."""

import threading
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from quantray.errors import InputError
from quantray.oms.answers import Answer


def answer():
    return Answer(lambda books: 1)


def test_all_who_wait_get_it():
    it, waiting = answer(), threading.Barrier(5)

    def wait(_):
        waiting.wait()
        return it.result(60)

    with ThreadPoolExecutor(4) as pool:
        found = pool.map(wait, range(4))
        waiting.wait()
        assert it.take()
        it.give(7)
        assert list(found) == [7] * 4
    assert it.result() == 7


def test_what_a_command_raises_is_raised_wherever_it_is_asked_for():
    it = answer()
    assert it.take()
    it.fail(InputError("there is none."))
    for _ in range(2):
        with pytest.raises(InputError, match="there is none"):
            it.result()


def test_it_is_not_there_before_it_is_given():
    with pytest.raises(TimeoutError, match=r"there is no answer after 0.001 s\."):
        answer().result(0.001)
    for past in (-0.5, -1.0):
        with pytest.raises(TimeoutError, match="there is no answer after"):
            answer().result(past)


def test_each_who_asked_is_told_once_before_or_after():
    it, told = answer(), []
    it.add_done_callback(lambda given: told.append(("before", given.result())))
    assert it.take()
    assert told == []
    it.give(7)
    it.add_done_callback(lambda given: told.append(("after", given.result())))
    assert told == [("before", 7), ("after", 7)]


def test_who_asks_while_it_is_given_is_told_once():
    """Eight threads ask twice as it comes: each is told, whichever thread does it."""
    for _ in range(50):
        it, told, start = answer(), [], threading.Barrier(9)

        def ask(name, it=it, told=told, start=start):
            start.wait()
            it.add_done_callback(lambda _: told.append(name))
            it.add_done_callback(lambda _: told.append(name + 8))

        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(ask, name) for name in range(8)]
            start.wait()
            assert it.take()
            it.give(None)
            for each in asked:
                each.result()
        assert sorted(told) == list(range(16))


def test_one_who_fails_when_told_keeps_it_from_nobody(caplog):
    it, told = answer(), []
    it.add_done_callback(lambda _: 1 // 0)
    it.add_done_callback(told.append)
    assert it.take()
    it.give(7)
    assert told == [it]
    assert "who asked for an answer failed when told" in caplog.text


def test_it_is_taken_up_or_canceled_by_the_first():
    it, told = answer(), []
    it.add_done_callback(told.append)
    assert it.cancel()
    assert not it.take()
    assert not it.cancel()
    assert told == [it]
    with pytest.raises(CancelledError):
        it.result()
    other = answer()
    assert other.take()
    assert not other.cancel()
