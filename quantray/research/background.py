"""Work in another thread, for what would keep interrupts to itself or might never return."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

__all__ = ["begin", "within"]

R = TypeVar("R")


def begin(work: Callable[[], R], *, name: str) -> "Future[R]":
    """Start work in a thread that does not outlive the process; what it returns or raises is the future's.

    Parameters
    ----------
    name : of the thread.
    """
    outcome: Future[R] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001  (raised where the result is asked for)
            outcome.set_exception(error)

    threading.Thread(target=run, name=f"quantray-{name}", daemon=True).start()
    return outcome


def within(seconds: float, work: Callable[[], R], *, name: str) -> R:
    """What work returns or raises in a thread of its own, which is left behind where it takes too long.

    Raises
    ------
    TimeoutError
        It was not done in time.
    """
    outcome = begin(work, name=name)
    if not wait([outcome], timeout=seconds).done:
        raise TimeoutError("timed out")
    return outcome.result()
