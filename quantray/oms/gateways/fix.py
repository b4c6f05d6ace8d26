"""A way to a venue over FIX 4.2, spoken by a process of its own: what ends it does not end the gate.

An order is handed over when the process says that its engine has taken it for sending. While the session is not
logged on the engine takes nothing, so that nothing waits there to be delivered later; nor does it send an order again
where the venue asks for lost messages, but fills the gap. Whatever the process did not answer may have left.

Reports are in the journal (``fixing.journal``) before the engine counts them as received, and are booked from there by
their line: none is lost when the gate, the process or both die, and none is acknowledged that could be.

FIX has no promise that an order will never be taken, and no holdings: for these another way to the same venue is asked,
if there is one. Without it, an order of which the venue says that it does not know it is believed never to come, if it
is in the journal: question and order take the same way in their order, and the venue has closed all gaps before it
answers. One that is not in the journal stays in doubt.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict

from quantray.errors import DataError, InputError, first_line
from quantray.oms.fixing.engine import Session, require_quickfix
from quantray.oms.fixing.fields import Fields
from quantray.oms.fixing.journal import JournalReader
from quantray.oms.fixing.link import SPEAKER, Link
from quantray.oms.fixing.orders import cancel_fields, order_fields, question_fields
from quantray.oms.fixing.told import Told
from quantray.oms.gateways.listening import Listening
from quantray.oms.gateways.protocol import Failure, Gateway, NotSentError, Sink, UnsureError
from quantray.oms.messages import Holdings, NewOrder, Report, Route, Unreadable, VenueOrder

__all__ = ["FixGateway"]

_LOG = logging.getLogger("quantray.oms")

_BATCH = 1000
_LONGEST_WAIT = 1.0
"""Seconds for which reports are waited for at a time."""
_GIVEN_UP = 2.4
"""Heartbeats after which a session ends of which nothing is heard."""


class FixGateway:
    """Orders to a venue over FIX; see ``protocol`` and the module. It hands over once it listens.

    Parameters
    ----------
    session : of the initiator.
    asked : another way to the same venue, which is asked what FIX cannot tell; it is not closed with this one.
    seconds : for an answer of the process, or of the venue to a question.
    command : of the process.
    journal_bytes : after which another file of the journal begins, once all of it is booked; two are kept.

    Raises
    ------
    InputError
        QuickFIX is not installed.
    """

    def __init__(
        self,
        session: Session,
        *,
        asked: Gateway | None = None,
        seconds: float = 5.0,
        command: Sequence[str] = SPEAKER,
        journal_bytes: int = 64 << 20,
    ) -> None:
        require_quickfix()
        self._session, self._asked, self._seconds, self._command = session, asked, seconds, command
        self._reader = JournalReader(session.folder / "journal.jsonl")
        self._told, self._news = Told(), threading.Condition()
        self._journal_bytes, self._booked = journal_bytes, 0
        self._listening = Listening(self._next)
        self._closed = False
        self._silent_until = 0.0
        """Until when a venue or a process that did not answer is not relied on, unless the venue is heard before."""
        self._link: Link | None = None

    @property
    def route(self) -> Route:
        """The name of the way."""
        return "fix"

    @property
    def pid(self) -> int | None:
        """Of the process that speaks FIX, if there is one."""
        return None if self._link is None else self._link.pid

    def ready(self) -> bool:
        """Whether the session is logged on, and neither the process nor the venue leaves questions unanswered."""
        return self._link is not None and self._link.logged_on and time.monotonic() >= self._silent_until

    def wait_ready(self, seconds: float, *, ready: bool = True) -> bool:
        """Whether it is ready, or is not, or becomes so in time."""
        with self._news:
            return self._news.wait_for(lambda: self.ready() is ready, seconds)

    def send(self, order: NewOrder) -> None:
        """Hand an order over, once; see ``protocol``."""
        (failure,) = self.send_all([order])
        if failure is not None:
            raise failure

    def send_all(self, orders: Sequence[NewOrder]) -> Sequence[Failure | None]:
        """Hand orders over, one behind the other; see ``protocol``."""
        until = time.monotonic() + self._seconds
        begun = [self._begin(order) for order in orders]
        return [each if isinstance(each, NotSentError) else self._end(each, until) for each in begun]

    def cancel(self, order: NewOrder) -> None:
        """Ask that an order end; see ``protocol``."""
        # Never an id of an order, whose letters can all be printed without it.
        request = f"{order.id[:48]}~{time.time_ns()}"
        answer = self._speak(_travels(lambda: cancel_fields(order, request)))
        if (failure := self._end(answer, time.monotonic() + self._seconds)) is not None:
            raise failure

    def status(self, order: str, *, void: bool) -> VenueOrder | None:
        """What the venue knows of an order; see ``protocol`` and the module."""
        if self._asked is None:
            return self._questioned(order)
        if void:
            return self._asked.status(order, void=True)
        try:
            return self._questioned(order)
        except UnsureError:
            return self._asked.status(order, void=False)

    def holdings(self, account: str) -> Holdings:
        """What the venue holds for an account; see ``protocol`` and the module."""
        if self._asked is None:
            raise UnsureError("FIX 4.2 does not tell holdings, and there is no other way to ask.")
        return self._asked.holdings(account)

    def listen(self, sink: Sink, after: int) -> None:
        """Log on, and give all reports to a sink from now on, in a thread; see ``protocol``."""
        if self._link is not None:
            raise InputError("this gateway listens already; make another one to listen elsewhere.")
        session = asdict(self._session) | {"folder": str(self._session.folder)}
        self._booked = after
        self._link = Link(self._command, {"session": session, "after": after}, self._catch_up)
        self._listening.start(sink, after)

    def close(self) -> None:
        """Log out, and end listening and the process."""
        self._listening.close()
        if self._link is not None:
            self._link.close()
        with self._news:
            self._closed = True
            self._news.notify_all()

    def _begin(self, order: NewOrder) -> "NotSentError | Future[str]":
        try:
            return self._speak(_travels(lambda: order_fields(order)))
        except NotSentError as error:
            return error

    def _speak(self, fields: Fields) -> "Future[str]":
        if self._link is None:
            raise NotSentError("the FIX session has not begun; listen first.")
        return self._link.send(fields)

    def _end(self, answer: "Future[str]", until: float) -> Failure | None:
        try:
            why = answer.result(max(until - time.monotonic(), 0))
        except TimeoutError:
            self._doubt()
            return UnsureError(f"the FIX process did not answer in {self._seconds:g} s; ask for the status.")
        except UnsureError as error:
            return error
        return NotSentError(f"FIX: {why}; try again or another way.") if why else None

    def _questioned(self, order: str) -> VenueOrder | None:
        """What the venue says over FIX; raises ``UnsureError``."""
        self._catch_up()
        with self._news:
            known, before = self._told.order(order), self._told.last
        if known is None:
            raise UnsureError(f"order {order} is not in the journal of FIX; ask the venue in another way.")
        try:
            asked = self._speak(question_fields(order, *known))
        except NotSentError as error:
            raise UnsureError(str(error)) from error
        until = time.monotonic() + self._seconds
        if (failure := self._end(asked, until)) is not None:
            raise UnsureError(str(failure)) from failure
        with self._news:
            left = until - time.monotonic()
            if not self._news.wait_for(lambda: self._told.answered(order, before) or self._closed, left):
                self._doubt()
                raise UnsureError(f"the venue did not answer about order {order}; ask again.")
            if self._closed:
                raise UnsureError(f"the gateway was closed before it knew of order {order}.")
            return self._told.answer(order)

    def _doubt(self) -> None:
        """Not rely on who was silent, until it is heard: the session itself finds out after some heartbeats only."""
        self._silent_until = time.monotonic() + _GIVEN_UP * self._session.heartbeat

    def _catch_up(self) -> None:
        """Take what is new in the journal."""
        with self._news:
            try:
                turns = self._reader.turns
                while lines := self._reader.read():
                    if self._reader.turns > turns:
                        turns = self._reader.turns
                        self._told.turn(self._booked)
                    for line in lines:
                        self._told.take(line)
                        if line.way == "in":
                            self._silent_until = 0.0
                    if not self._reader.is_behind:
                        break
            except DataError as error:
                # The process cuts it off there when it begins.
                _LOG.error("%s", first_line(error))
            self._news.notify_all()

    def _next(self, after: int) -> Sequence[Report | Unreadable]:
        with self._news:
            self._booked = after
            last, turns = self._told.last, self._reader.offset > self._journal_bytes and not self._told.after(after, 1)
        if turns and self._link is not None:
            self._link.turn(self._journal_bytes, last)
        with self._news:
            self._news.wait_for(lambda: self._closed or bool(self._told.after(after, 1)), _LONGEST_WAIT)
            return self._told.after(after, _BATCH)


def _travels(made: Callable[[], Fields]) -> Fields:
    try:
        return made()
    except InputError as error:
        raise NotSentError(str(error)) from error
