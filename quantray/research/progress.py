"""Progress that suits its reader: a bar on a terminal, a line every few seconds in a log."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

__all__ = ["follow", "say"]

V = TypeVar("V")

_LOG_SECONDS = 5.0


def _console() -> Console:
    # Made on each use: tests and job drivers replace the standard streams after import.
    return Console(stderr=True, soft_wrap=True)


def say(message: str) -> None:
    """One line for the person who waits, on standard error."""
    _console().print(message, markup=False, highlight=False)


def follow(items: Iterable[V], *, total: int, label: str) -> Iterator[V]:
    """The items, with progress shown as they pass."""
    console = _console()
    if console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(label, total=total)
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
