"""The FIX 4.2 door of the paper venue: messages to the book, and the book's reports of what came by this door.

The book decides; QuickFIX keeps the session. One thread does what messages ask, in their order, and sends what the book
has reported by then, so that an answer never overtakes what it counts. Reports wait for a client that is not there.
"""

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from quantray.errors import InputError, QuantrayError, first_line
from quantray.oms.fixing.engine import Engine, Session
from quantray.oms.fixing.fields import Fields, field
from quantray.oms.fixing.orders import read_order
from quantray.oms.fixing.reports import refusal_fields, report_fields, status_fields, unknown_fields
from quantray.oms.messages import NewOrder, Report, ReportKind
from quantray.oms.paper.book import Book
from quantray.oms.paper.draws import drawn
from quantray.oms.states import State
from quantray.storage.files import make_folder

__all__ = ["FixDoor"]

_LOG = logging.getLogger("quantray.oms")

_HELD = 0.25
"""Seconds after which reports that were held back come even if nothing has overtaken them."""
_BATCH = 1000

_Item = tuple[float, Fields]
"""When it came, and what."""


class FixDoor:
    """A door during a block.

    Parameters
    ----------
    folder : of the session, and of what came by it; the same again goes on where it was.
    port : on this machine.
    sender, target : CompIDs, ours and the client's.

    Raises
    ------
    InputError
        QuickFIX is not installed.
    DataError
        The port or the folder cannot be used.
    """

    def __init__(
        self,
        book: Book,
        folder: Path,
        port: int,
        *,
        sender: str = "VENUE",
        target: str = "QUANTRAY",
        heartbeat: int = 30,
    ) -> None:
        self._book = book
        make_folder(folder)
        self._ours = _Names(folder / "orders")
        self._sent = _Number(folder / "reported")
        self._requests: dict[str, str] = {}
        """By order, the latest request to cancel it."""
        self._seen: Counter[str] = Counter()
        self._news: SimpleQueue[_Item | None] = SimpleQueue()
        self._ending = threading.Event()
        session = Session(
            role="acceptor",
            host="127.0.0.1",
            port=port,
            sender=sender,
            target=target,
            folder=folder,
            heartbeat=heartbeat,
        )
        self._engine = Engine(
            session,
            heard=lambda fields: self._news.put((time.monotonic(), fields)),
            takes=("D", "F", "G", "H", "j"),
            changed=lambda on: self._news.put(None),
            waits=True,
        )
        book.watch(lambda: self._news.put(None))
        self._thread = threading.Thread(target=self._run, name="fix door", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Log out and end."""
        self._ending.set()
        self._news.put(None)
        self._thread.join()
        self._engine.close()
        self._ours.close()
        self._sent.close()

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._handle(self._came())
                self._report()
            except QuantrayError as error:
                # What could not be kept has not happened; what was to be told is told later.
                _LOG.error("%s", first_line(error))

    def _came(self) -> list[Fields]:
        """What came since, in its order; nothing where there may be something to report."""
        try:
            items = [self._news.get(timeout=_HELD if self._book.holds_back() else None)]
        except Empty:
            self._book.release()
            return []
        while len(items) < _BATCH and not self._news.empty():
            items.append(self._news.get())
        return [item[1] for item in items if item is not None and self._survives(item)]

    def _survives(self, item: _Item) -> bool:
        """Whether a message is handled; it may be late, and its answers may be lost with the connection."""
        came, fields = item
        faults = self._book.faults
        if not (faults.drop or faults.delay or faults.disconnect or faults.lose):
            return True
        falls = self._falls(fields)
        if falls("drop"):
            return False
        if falls("disconnect"):
            self._engine.cut()
            return False
        if falls("delay"):
            self._ending.wait(max(came + faults.delay_ms / 1000 - time.monotonic(), 0))
        if falls("lose"):
            self._engine.cut()
        return True

    def _falls(self, fields: Fields) -> Callable[[str], bool]:
        name = f"{field(fields, 35)} {field(fields, 11, '')}"
        self._seen[name] += 1
        faults, seed, count = self._book.faults, self._book.rules.seed, self._seen[name]

        def falls(fault: str) -> bool:
            chance: float = getattr(faults, fault)
            return chance > 0 and drawn(seed, fault, name, count) < chance

        return falls

    def _handle(self, messages: Sequence[Fields]) -> None:
        """Do what messages ask, in their order; orders that follow one another share a commit."""
        orders: list[tuple[Fields, NewOrder]] = []
        for fields in messages:
            kind = field(fields, 35)
            try:
                if kind in ("D", "G"):
                    orders.append((fields, read_order(fields)))
                    continue
                self._submit(orders)
                orders = []
                if kind == "F":
                    self._cancel(fields)
                elif kind == "H":
                    self._answer(fields)
            except InputError as error:
                self._unread(fields, first_line(error))
        self._submit(orders)

    def _submit(self, orders: Sequence[tuple[Fields, NewOrder]]) -> None:
        if not orders:
            return
        # Noted before they are taken: that a report of one is told twice does no harm, that it is not told would.
        self._ours.add([order.id for _, order in orders if self._book.order(order.id) is None])
        try:
            answers = self._book.submit([order for _, order in orders])
        except QuantrayError as error:
            for fields, _ in orders:
                self._reject(fields, "4", first_line(error))
            return
        for (fields, _), answer in zip(orders, answers, strict=True):
            # What comes again because it may have been lost needs no answer where it was not.
            if answer.code == "duplicate" and "Y" not in (field(fields, 43, ""), field(fields, 97, "")):
                self._engine.send(unknown_fields(fields, "6", answer.text))
            elif answer.code == "void":
                self._engine.send(unknown_fields(fields, "0", answer.text))

    def _cancel(self, fields: Fields) -> None:
        name, request = field(fields, 41), field(fields, 11)
        self._requests[name] = request
        if not self._book.cancel(name):
            self._engine.send(refusal_fields(name, request, "no order of this id is known", None))

    def _answer(self, fields: Fields) -> None:
        self._report()
        name = field(fields, 11)
        order, found = self._book.order(name), self._book.status(name)
        if order is None or found is None:
            self._engine.send(unknown_fields(fields, "5", "no order of this id is known"))
        else:
            self._engine.send(status_fields(order, found))

    def _unread(self, fields: Fields, text: str) -> None:
        """Refuse what cannot be understood, in the way of its kind."""
        kind = field(fields, 35)
        if kind == "D":
            self._engine.send(unknown_fields(fields, "0", text))
        elif kind == "G":
            old = field(fields, 41)
            self._engine.send(refusal_fields(old, field(fields, 11), text, self._state(old), replaces=True))
        else:
            self._reject(fields, "0", text)

    def _state(self, order: str) -> State | None:
        found = self._book.status(order)
        return None if found is None else found.state

    def _reject(self, fields: Fields, reason: str, text: str) -> None:
        about = [(45, field(fields, 34)), (372, field(fields, 35)), (380, reason), (58, text[:300])]
        self._engine.send([(35, "j"), *about])

    def _report(self) -> None:
        """Send what the book has reported since of what came by this door, if the client is there.

        What waits in the session is lost where its numbers begin anew, so it waits in the book.
        """
        while self._engine.logged_on and (reports := self._book.reports(self._sent.value, _BATCH)):
            for report in reports:
                if (fields := self._told(report)) is not None:
                    self._engine.send(fields)
            self._sent.set(reports[-1].sequence)

    def _told(self, report: Report) -> Fields | None:
        """A report as it is sent; None of what did not come by this door."""
        order = self._book.order(report.order) if report.order in self._ours else None
        found = None if order is None else self._book.status(report.order)
        if order is None or found is None:
            return None
        if report.kind is ReportKind.REJECTED and order.replaces is not None:
            return refusal_fields(order.replaces, order.id, report.text, self._state(order.replaces), replaces=True)
        _, replaced, by = report.text.partition("replaced by ")
        if report.kind is ReportKind.CANCELED and replaced:
            # The report of what took its place says so.
            return None if by in self._ours else report_fields(report, order, found)
        return report_fields(report, order, found, request=self._requests.get(report.order, ""))


class _Names:
    """Ids on disk, a line each; a process that is killed leaves them there."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        os.ftruncate(self._handle, len(whole))
        self._names = set(whole.decode().splitlines())

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, names: Sequence[str]) -> None:
        """More of them."""
        os.write(self._handle, "".join(f"{name}\n" for name in names).encode())
        self._names.update(names)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


class _Number:
    """A number on disk, which a process that is killed leaves there."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.value = int(os.pread(self._handle, 20, 0) or b"0")

    def set(self, value: int) -> None:
        """Another number."""
        self.value = value
        os.pwrite(self._handle, f"{value:020d}".encode(), 0)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)
