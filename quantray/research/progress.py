"""Progress that suits its reader: a bar on a terminal, a line every few seconds in a log."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from quantray.printable import printable
from quantray.terminal import console, tell

__all__ = ["follow", "say"]

V = TypeVar("V")

_LOG_SECONDS = 5.0


def say(message: str) -> None:
    """One line for the person who waits, on standard error."""
    tell(message, error=True)


def follow(items: Iterable[V], *, total: int, label: str) -> Iterator[V]:
    """The items, with progress shown as they pass."""
    shown = console(error=True)
    if shown.is_terminal:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=shown) as bar:
            task = bar.add_task(printable(label), total=total)
            for item in items:
                yield item
                bar.advance(task)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if done == total or now - last >= _LOG_SECONDS:
            last = now
            say(f"{label}: {done}/{total} after {now - start:.0f} s")
