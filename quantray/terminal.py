"""The way to a terminal or a log: lines and tables as plain text, whatever stands in them.

Nothing here is read as markup, and what would steer a terminal is shown instead; see ``printable``.
"""

import io
import os
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from quantray.printable import masked, printable

__all__ = ["console", "pass_on", "ready_streams", "show_table", "tell"]

_WIDTH = 140
"""Of tables in logs and pipes, which keeps them whole."""
_NARROWEST = 20


def ready_streams() -> None:
    """Make a program's standard streams take whatever is printed.

    An old terminal that lacks a letter gets its code. Where whoever started the program closed a stream (``>&-``), what
    is said there is lost, and no file that is opened later comes into its place.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  (open until the program ends)
        if isinstance(stream := getattr(sys, name), io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def console(*, error: bool = False) -> Console:
    """For standard output or standard error."""
    # Made on each use: tests and job drivers replace the standard streams after import.
    made = Console(stderr=error, soft_wrap=error, width=None if error or sys.stdout.isatty() else _WIDTH)
    if made.width < _NARROWEST:
        # COLUMNS may say 0, in which nothing would be shown.
        made.width = _WIDTH
    return made


def tell(text: str, *, error: bool = False) -> None:
    """One line, not broken: a path over two lines could be neither clicked nor copied."""
    print(printable(masked(text)), file=sys.stderr if error else sys.stdout)


def pass_on(text: str, *, error: bool = False) -> None:
    """What another program wrote, in its lines, as far as it came."""
    print(printable(masked(text), keep="\n\t"), file=sys.stderr if error else sys.stdout, end="", flush=True)


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    title: str = "",
    right: Iterable[int] = (),
    lines: bool = False,
    head: bool = True,
) -> None:
    """A table on standard output.

    Parameters
    ----------
    columns : their titles.
    right : places of the columns that stand to the right, as numbers do.
    lines : whether a line divides the rows.
    head : whether the titles are shown.
    """
    shown = Table(title=_plain(title) if title else None, show_lines=lines, show_header=head)
    numbers = set(right)
    for place, column in enumerate(columns):
        shown.add_column(_plain(column), justify="right" if place in numbers else "left")
    for row in rows:
        shown.add_row(*map(_plain, row))
    console().print(shown)


def _plain(text: str) -> Text:
    return Text(printable(text, keep="\n\t"))
