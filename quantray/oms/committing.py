"""Groups of commands written one after the other by a thread of its own, while the next ones are checked.

What a group's commands came to is told when the group is on disk. One is written at a time, and none that was done on
top of one that could not be written.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from quantray.errors import QuantrayError
from quantray.oms.books import Alert, Books
from quantray.oms.database import FencedError, StoreError
from quantray.oms.writing import Rows

__all__ = ["OWN_FAULT", "ClosedError", "Committer", "Group"]

OWN_FAULT = "the gate has ended by a fault of its own; start it again."


class ClosedError(QuantrayError):
    """The gate has ended and takes nothing more."""


@dataclass(slots=True)
class Group:
    """Commands that were done in memory, and what each came to: a result, or why there is none."""

    done: "list[tuple[Future[Any], Any, QuantrayError | None]]" = field(default_factory=list)
    rows: Rows | None = None
    """What they changed; None where that is nothing."""
    alerts: Sequence[Alert] = ()
    waits: bool = False
    """Whether something waits to be handed over."""
    began: float = field(default_factory=time.perf_counter)

    def close(self, books: Books) -> None:
        """Take what they changed out of the books, in which the next group begins."""
        if books.changes.any:
            self.rows = books.changes.collected(books.ledger)
        self.alerts, books.alerts = books.alerts, []
        self.waits = bool(books.outgoing)

    def answer(self) -> None:
        """Say what came of each."""
        for future, result, failure in self.done:
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)

    def fail(self, error: QuantrayError) -> None:
        """Say of all of them that nothing of it counts."""
        for future, _, _ in self.done:
            future.set_exception(type(error)(str(error)))


class Committer:
    """Writes groups, until ``close``.

    Parameters
    ----------
    write : writes rows, which are on disk when it returns; ``StoreError`` or ``FencedError`` where nothing was written.
    tell : called after a group is on disk and before its answers.
    wake : called when what was awaited is written, and after ``failure`` was set and before the answers that say so.
    """

    def __init__(self, write: Callable[[Rows], None], tell: Callable[[Group], None], wake: Callable[[], None]) -> None:
        self._write, self._tell, self._wake = write, tell, wake
        self._busy = threading.Lock()
        """Held from handing a group over until it was answered."""
        self.failure: BaseException | None = None
        """Why the last group was not written; whoever sees to that takes it away, and none is taken until then."""
        self._awaited = False
        self._inbox: queue.SimpleQueue[Group | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="commits", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether nothing is being written."""
        return not self._busy.locked()

    def awaited(self) -> bool:
        """Whether something is being written; it is then said when it is written, or was not."""
        self._awaited = True
        if self.idle:
            self._awaited = False
        return self._awaited

    def hand(self, group: Group) -> bool:
        """Give a group in when the one before it is written; False where that was not, and this one is not taken."""
        self._busy.acquire()
        if self.failure is not None:
            self._busy.release()
            return False
        self._inbox.put(group)
        return True

    def close(self) -> None:
        """End after what was given in."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (group := self._inbox.get()) is not None:
            try:
                self._wrote(group)
            finally:
                self._busy.release()
                # After that: whoever begins to wait now sees that it is idle.
                if self._awaited:
                    self._awaited = False
                    self._wake()

    def _wrote(self, group: Group) -> None:
        try:
            if group.rows is not None:
                self._write(group.rows)
        except BaseException as error:  # noqa: BLE001  (the gate's own thread ends by what is none of its)
            self._fail(error)
            group.fail(error if isinstance(error, StoreError | FencedError) else ClosedError(OWN_FAULT))
            return
        try:
            self._tell(group)
        except BaseException as error:  # noqa: BLE001  (as above; what is on disk is answered all the same)
            self._fail(error)
        group.answer()

    def _fail(self, error: BaseException) -> None:
        self.failure = error
        self._wake()
