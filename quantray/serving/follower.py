"""Follows the pointer of a shelf: the latest whole book stays at hand, whatever lies on the shelf."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from quantray.daily.book import Book
from quantray.errors import QuantrayError
from quantray.serving.publish import Pointer, Shelf

__all__ = ["Follower", "Served", "State"]

_REMEMBERED = 8
"""Books of earlier days that are kept in memory."""


@dataclass(frozen=True, eq=False)
class Served:
    """A book that was read whole."""

    version: str
    book: Book

    def age(self, now: datetime) -> timedelta:
        """Since the end of the book's day in UTC."""
        ended = datetime.combine(self.book.as_of + timedelta(days=1), time(), UTC)
        return max(now - ended, timedelta(0))


@dataclass(frozen=True)
class State:
    """What the last look found."""

    served: Served | None
    problem: str = ""
    """Why the newest book is not served; empty where it is."""


class Follower:
    """The books of a shelf as they are served; may be asked from several threads.

    Parameters
    ----------
    shelf : of the books.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._looking = threading.Lock()
        self._state = State(None, "no look has been taken yet")
        self._others: OrderedDict[str, Served] = OrderedDict()

    @property
    def state(self) -> State:
        """As of the last look."""
        return self._state

    def look(self) -> State:
        """Read the pointer, and the book where it is another one; the last good book stays where that fails."""
        with self._looking:
            served = self._state.served
            try:
                pointer = self._shelf.latest()
                if pointer is None:
                    self._state = State(served, "no book has been published yet")
                elif served is None or served.version != pointer.version:
                    self._state = State(Served(pointer.version, self._shelf.read(pointer)))
                else:
                    self._state = State(served)
            except (QuantrayError, OSError) as error:
                self._state = State(served, str(error))
            return self._state

    def of(self, day: date | None) -> Served | None:
        """The book of a day, or the latest; None before the first.

        Raises
        ------
        InputError
            There is none of that day.
        DataError
            It is damaged.
        """
        latest = self._state.served
        if day is None or (latest is not None and latest.book.as_of == day and not self._state.problem):
            return latest
        return self._read(self._shelf.of(day))

    def days(self) -> tuple[date, ...]:
        """Days with a book."""
        return self._shelf.days()

    def history(self) -> tuple[Pointer, ...]:
        """The pointers of all days, in order of time; raises as ``of``."""
        return tuple(self._shelf.of(day) for day in self._shelf.days())

    def _read(self, pointer: Pointer) -> Served:
        with self._looking:
            found = self._others.get(pointer.version)
            if found is None:
                found = Served(pointer.version, self._shelf.read(pointer))
            self._others[pointer.version] = found
            self._others.move_to_end(pointer.version)
            while len(self._others) > _REMEMBERED:
                self._others.popitem(last=False)
            return found
