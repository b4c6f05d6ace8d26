"""What another thread returns or raises arrives where it is asked for."""

import threading

import pytest

from quantray.research.background import begin, within


def test_the_result_comes_from_a_thread_that_does_not_outlive_the_process():
    thread = begin(threading.current_thread, name="test").result(timeout=60)
    assert (thread.name, thread.daemon) == ("quantray-test", True)


@pytest.mark.parametrize("raised", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_whatever_is_raised_is_raised_where_the_result_is_asked_for(raised):
    def work():
        raise raised

    with pytest.raises(type(raised)) as caught:
        begin(work, name="test").result(timeout=60)
    assert caught.value is raised


def test_work_that_takes_too_long_is_left_behind():
    over = threading.Event()
    with pytest.raises(TimeoutError, match="timed out"):
        within(0.05, over.wait, name="test")
    over.set()
    assert within(60, over.wait, name="test") is True
