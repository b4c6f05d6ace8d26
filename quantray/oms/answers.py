"""What a command gives: waited for, or told, by whichever thread.

What of ``concurrent.futures.Future`` a gate needs, at a third of its cost, since there is one for every order: here a
thread is the first by what a lock or a list does in one step. What was canceled once cannot be canceled again.
"""

import logging
from collections.abc import Callable
from concurrent.futures import CancelledError
from threading import TIMEOUT_MAX, Lock
from typing import Any, Generic, TypeVar, cast

__all__ = ["Answer"]

_LOG = logging.getLogger("quantray.oms")

T = TypeVar("T")


class Answer(Generic[T]):
    """The answer to one command, which is there once."""

    __slots__ = ("_done", "_failure", "_result", "_taken", "_there", "_told", "command")

    def __init__(self, command: Callable[..., T]) -> None:
        self.command = command
        self._result: T | None = None
        self._failure: BaseException | None = None
        self._done = False
        self._told: list[Callable[[Answer[T]], object]] = []
        self._taken = Lock()
        """Held from when it is taken up, or canceled."""
        self._there = Lock()
        """Held until the answer is there."""
        self._there.acquire()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the answer, for so many seconds at most; raises what the command raised.

        Raises
        ------
        TimeoutError
            It is not there yet.
        CancelledError
            The command was canceled.
        """
        if not self._done:
            # Less than nothing left of a time limit is nothing; a lock would wait for ever at -1.
            limit = -1 if timeout is None else min(max(timeout, 0.0), TIMEOUT_MAX)
            if not self._there.acquire(timeout=limit):
                raise TimeoutError(f"there is no answer after {timeout:g} s.")
            self._there.release()
        if self._failure is not None:
            raise self._failure
        return cast(T, self._result)

    def add_done_callback(self, told: "Callable[[Answer[T]], object]") -> None:
        """Have something called with this when the answer is there; at once where it is."""
        self._told.append(told)
        if self._done:
            self._tell()

    def cancel(self) -> bool:
        """Have the command not done; False where it has been taken up."""
        if not self.take():
            return False
        self.fail(CancelledError())
        return True

    def take(self) -> bool:
        """Take the command up, which only the first may do."""
        return self._taken.acquire(blocking=False)

    def give(self, result: Any) -> None:
        """Answer what was taken up."""
        self._result = result
        self._end()

    def fail(self, failure: BaseException) -> None:
        """Say why there is no answer to what was taken up."""
        self._failure = failure
        self._end()

    def _end(self) -> None:
        self._done = True
        self._there.release()
        if self._told:
            self._tell()

    def _tell(self) -> None:
        # Taking one out of a list is one step, so each is called once, whoever is here at the same time.
        while self._told:
            try:
                told = self._told.pop(0)
            except IndexError:
                return
            try:
                told(self)
            except Exception:  # noqa: BLE001
                # Who asked to be told must not end who tells.
                _LOG.exception("who asked for an answer failed when told")
