"""The gate: the only writer, which checks, reserves, and replies when it is on disk.

Commands from any thread are taken in turn by one thread. It works off what has come in the meantime, writes all of it
in one transaction, and answers after the commit: whoever waits for the disk waits together. When the database refuses,
the whole group is refused, the books are read back as they are on disk, and the gate goes on.

A thread of its own for the commit would not pay: it has to take turns with this one for the interpreter, and groups get
smaller. Measured side by side, without a disk to wait for, it was a tenth slower.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import func, select

from quantray.errors import QuantrayError
from quantray.oms import schema
from quantray.oms.answers import Answer
from quantray.oms.books import Alert, Books
from quantray.oms.changes import Actor
from quantray.oms.database import Database, FencedError, StoreError
from quantray.oms.loading import loaded
from quantray.oms.messages import Decision, NewOrder
from quantray.oms.reading import moment
from quantray.oms.submission import submit

__all__ = ["ClosedError", "Gate"]

T = TypeVar("T")
Command = Callable[[Books], T]

_MOST = 512
"""Commands in one transaction: more would make the first of them wait."""


class ClosedError(QuantrayError):
    """The gate has ended and takes nothing more."""


class Gate:
    """A gate on a database, until ``close``; use it as a context.

    Parameters
    ----------
    url : of the database, such as ``sqlite:///orders.db``; the tables are made or brought up to date.
    clock : what time it is.
    told : called with the alerts of each group, after it is on disk, in the gate's thread.
    changed : called after each group while something waits to be handed over, in the gate's thread.
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
        self._is_stale = False
        """Whether the books are not those on disk, which could not be read."""
        self._database = Database(url)
        try:
            self._books = loaded(self._database, clock)
            self._books.changes.log(self._books.now(), Actor("gate"), "epoch", "", {"epoch": self.epoch})
            self._database.write(self._books.changes.collected(self._books.ledger))
        except BaseException:
            self._database.close()
            raise
        self._inbox: queue.SimpleQueue[Answer[Any] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
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

    def later(self, command: Command[T]) -> Answer[T]:
        """Have a command done in turn; the answer comes when it is on disk.

        What is canceled before its turn is not done. The answer raises what the command raises, ``StoreError`` where
        the database refused, ``FencedError`` where another gate took over and ``ClosedError`` after the end.
        """
        answer = Answer(command)
        self._inbox.put(answer)
        if self._closed.is_set():
            self._refuse_rest()
        return answer

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
            while (group := self._group()) is not None and self._worked(group):
                pass
        finally:
            self._closed.set()
            self._refuse_rest()
            self._database.close()

    def _group(self) -> list[Answer[Any]] | None:
        """What has come, at least one; None at the end."""
        # Whoever was answered just now and asks again is let in first: one commit for all is less work than two.
        time.sleep(0)
        first = self._inbox.get()
        if first is None:
            return None
        group = [first]
        while len(group) < _MOST:
            try:
                following = self._inbox.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._inbox.put(None)
                break
            group.append(following)
        return group

    def _worked(self, group: list[Answer[Any]]) -> bool:
        """Do, write and answer a group; False where another gate took over, and this one ends."""
        found: list[tuple[Any, QuantrayError | None]] = []
        started = time.perf_counter()
        # Nobody may cancel from here on; those who did meanwhile get nothing done.
        group = [answer for answer in group if answer.take()]
        try:
            if self._is_stale:
                self._read_back()
            self._books.forget(self._ended)
            for answer in group:
                try:
                    found.append((answer.command(self._books), None))
                except QuantrayError as error:
                    found.append((None, error))
            self._commit()
        except (FencedError, StoreError) as error:
            _fail(group, error)
            return isinstance(error, StoreError)
        except BaseException:
            # The books may be half changed: what is on disk counts, and another gate has to read it.
            _fail(group, ClosedError("the gate has ended by a fault of its own; start it again."))
            raise
        self.measured(time.perf_counter() - started)
        for answer, (result, failure) in zip(group, found, strict=True):
            if failure is None:
                answer.give(result)
            else:
                answer.fail(failure)
        self._tell()
        return True

    def _tell(self) -> None:
        alerts, self._books.alerts = self._books.alerts, []
        if alerts:
            self._told(alerts)
        if self._books.outgoing:
            self.changed()

    def _commit(self) -> None:
        books = self._books
        if not books.changes.any:
            return
        try:
            self._database.write(books.changes.collected(books.ledger))
        except StoreError:
            self._is_stale = True
            with suppress(StoreError):
                self._read_back()
            raise

    def _read_back(self) -> None:
        self._books = loaded(self._database, self._clock)
        self._is_stale = False

    def _refuse_rest(self) -> None:
        while True:
            try:
                answer = self._inbox.get_nowait()
            except queue.Empty:
                return
            if answer is not None and answer.take():
                answer.fail(ClosedError("the gate has ended; start it again."))


def _fail(group: list[Answer[Any]], error: QuantrayError) -> None:
    for answer in group:
        answer.fail(type(error)(str(error)))
