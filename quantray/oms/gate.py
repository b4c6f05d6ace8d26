"""The gate: the only writer, which checks, reserves, and replies when it is on disk.

Commands from any thread are taken in turn by one thread, which does them in memory. Another one writes what it has done
in one transaction, and answers after the commit: whoever waits for the disk waits together, and what comes meanwhile is
done on top of it. When the database refuses, that group and all that was done on top of it is refused, the books are
read back as they are on disk, and the gate goes on.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import func, select

from quantray.errors import QuantrayError
from quantray.oms import schema
from quantray.oms.books import Alert, Books
from quantray.oms.changes import Actor
from quantray.oms.committing import OWN_FAULT, ClosedError, Committer, Group
from quantray.oms.database import Database, FencedError, StoreError
from quantray.oms.loading import loaded
from quantray.oms.messages import Decision, NewOrder
from quantray.oms.reading import moment
from quantray.oms.submission import submit
from quantray.oms.writing import Rows

__all__ = ["ClosedError", "Gate"]

T = TypeVar("T")
Command = Callable[[Books], T]

_MOST = 512
"""Commands in one transaction: more would make the first of them wait."""
_LEAST = 16
"""Commands for which a transaction is worth its while where more wait to be done."""


@dataclass(slots=True)
class _Waiting:
    command: Command[Any]
    answer: "Future[Any]"


class Gate:
    """A gate on a database, until ``close``; use it as a context.

    Parameters
    ----------
    url : of the database, such as ``sqlite:///orders.db``; the tables are made or brought up to date.
    clock : what time it is.
    told : called with the alerts of each group, after it is on disk, in the thread that writes.
    changed : called after each group while something waits to be handed over, in the thread that writes.
    ended : orders that have ended and stay in memory; those before are looked up when they are asked for.
    measured : called with the seconds from the first command of each group to its commit.

    Raises
    ------
    GateOpenError
        Another gate has the database.
    DataError
        It cannot be opened.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        told: Callable[[Sequence[Alert]], None] = lambda alerts: None,
        changed: Callable[[], None] = lambda: None,
        measured: Callable[[float], None] = lambda seconds: None,
        ended: int = 50_000,
    ) -> None:
        self._clock, self._told, self.changed, self.measured = clock, told, changed, measured
        self._ended = ended
        self._database = Database(url)
        try:
            self._books = loaded(self._database, clock)
            self._books.changes.log(self._books.now(), Actor("gate"), "epoch", "", {"epoch": self.epoch})
            self._database.write(self._books.changes.collected(self._books.ledger))
        except BaseException:
            self._database.close()
            raise
        self._inbox: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._committer = Committer(self._write, self._tell, self._wake)
        self._thread = threading.Thread(target=self._run, name="gate", daemon=True)
        self._thread.start()

    @property
    def epoch(self) -> int:
        """The number of this gate among all that ever opened the database."""
        return self._database.epoch

    @property
    def open(self) -> bool:
        """Whether it takes commands."""
        return not self._closed.is_set()

    def later(self, command: Command[T]) -> "Future[T]":
        """Have a command done in turn; the answer comes when it is on disk.

        What is canceled before its turn is not done. The future raises what the command raises, ``StoreError`` where
        the database refused, ``FencedError`` where another gate took over and ``ClosedError`` after the end.
        """
        waiting = _Waiting(command, Future())
        self._inbox.put(waiting)
        if self._closed.is_set():
            self._refuse_rest()
        return waiting.answer

    def do(self, command: Command[T]) -> T:
        """Have a command done, and wait for it; raises as the future of ``later``."""
        return self.later(command).result()

    def submit(self, orders: Sequence[NewOrder], actor: Actor, *, all_or_nothing: bool = False) -> list[Decision]:
        """Check orders and set aside what they need; the decisions are on disk. Raises as ``do``.

        The same order again is given the same decision, so a caller who heard nothing may ask again.
        """
        return self.do(lambda books: submit(books, orders, actor, all_or_nothing=all_or_nothing))

    def counts(self) -> dict[str, int]:
        """How many orders there are by state, as they are on disk; nobody is kept waiting for that."""
        state = schema.child_orders.c.state
        with moment(self._database.url.render_as_string(hide_password=False)) as connection:
            found = connection.execute(select(state, func.count()).group_by(state)).all()
        return {row[0]: row[1] for row in found}

    def close(self) -> None:
        """End after what has come so far."""
        self._inbox.put(None)
        self._thread.join()

    def __enter__(self) -> "Gate":
        """The gate itself."""
        return self

    def __exit__(self, *failure: object) -> None:
        """Close it."""
        self.close()

    def _run(self) -> None:
        try:
            while self._turned():
                pass
        finally:
            self._closed.set()
            self._committer.close()
            self._refuse_rest()
            self._database.close()

    def _turned(self) -> bool:
        """Do what comes until there is a group to write, and give that in; False at the end."""
        waiting = self._inbox.get()
        if waiting is None or not self._is_sound(waiting):
            return False
        group = Group()
        try:
            if self._committer.idle:
                self._books.forget(self._ended)
            while waiting is not None:
                self._do(waiting, group)
                waiting = None if self._is_due(group) else self._following()
            group.close(self._books)
        except BaseException:
            # The books may be half changed: what is on disk counts, and another gate has to read it.
            group.fail(ClosedError(OWN_FAULT))
            raise
        if self._committer.hand(group):
            return True
        # It was done on top of what was not written.
        failure = self._committer.failure
        group.fail(failure if isinstance(failure, StoreError | FencedError) else ClosedError(OWN_FAULT))
        return self._recovered()

    def _is_sound(self, waiting: _Waiting) -> bool:
        """Whether the books are those on disk, or on top of them; otherwise what waits is refused with the rest."""
        sound = False
        try:
            sound = self._committer.failure is None or self._recovered()
        finally:
            if not sound:
                self._inbox.put(waiting)
        return sound

    def _is_due(self, group: Group) -> bool:
        """Whether to wait for no more: the more are written at once, the less each costs, but nothing waits in vain."""
        count = len(group.done)
        return count >= _MOST or (count >= _LEAST and self._committer.idle)

    def _following(self) -> _Waiting | None:
        """What comes next, as long as nothing can be written anyhow; None where nothing has, or at the end."""
        following: _Waiting | None = None
        with suppress(queue.Empty):
            following = self._inbox.get(block=self._committer.awaited())
            if following is None:
                # The end comes after what is in hand.
                self._inbox.put(None)
        return following

    def _do(self, waiting: _Waiting, group: Group) -> None:
        # Nobody may cancel from here on; who did meanwhile gets nothing done.
        if not waiting.answer.set_running_or_notify_cancel():
            return
        group.done.append((waiting.answer, None, None))
        try:
            group.done[-1] = waiting.answer, waiting.command(self._books), None
        except QuantrayError as error:
            group.done[-1] = waiting.answer, None, error

    def _recovered(self) -> bool:
        """Read the books as they are on disk, where a group was not written; False where the gate ends by that."""
        failure = self._committer.failure
        if isinstance(failure, FencedError):
            return False
        if not isinstance(failure, StoreError):
            assert failure is not None
            raise failure
        try:
            self._books = loaded(self._database, self._clock)
        except StoreError as error:
            # Nothing is written until they can be read.
            self._committer.failure = error
        else:
            self._committer.failure = None
        return True

    def _write(self, rows: Rows) -> None:
        self._database.write(rows)

    def _wake(self) -> None:
        """Have the thread see what became of a group, though nothing else comes."""
        self._inbox.put(_Waiting(lambda books: None, Future()))

    def _tell(self, group: Group) -> None:
        if group.rows is not None:
            self.measured(time.perf_counter() - group.began)
        if group.alerts:
            self._told(group.alerts)
        if group.waits:
            self.changed()

    def _refuse_rest(self) -> None:
        while True:
            try:
                waiting = self._inbox.get_nowait()
            except queue.Empty:
                return
            if waiting is not None and waiting.answer.set_running_or_notify_cancel():
                waiting.answer.set_exception(ClosedError("the gate has ended; start it again."))
