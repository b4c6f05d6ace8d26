"""What runs hold, as tables on a terminal or in a log."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from quantray.analytics.page import Cell, Column
    from quantray.analytics.page import Table as PageTable

__all__ = ["console", "print_run", "print_table"]


def console() -> Console:
    """For standard output; logs and pipes get a width that keeps tables whole."""
    # Made on each use: tests and job drivers replace the standard streams after import.
    return Console(width=None if sys.stdout.isatty() else 140, soft_wrap=False)


def print_run(folder: Path) -> None:
    """Print a finished run of any kind: its table, what it found, what it took, and where its report is."""
    from quantray.data.locks import alone  # noqa: PLC0415
    from quantray.research.folder import finished, read_page, read_run  # noqa: PLC0415

    with alone(folder):
        run = read_run(folder)
        about, page, out = finished(run), read_page(run), console()
    print_table(page.summary)
    for line in (page.headline, *about.notes):
        _print(out, line)
    _print(out, f"{about.work}; digest {about.digest}")
    _print(out, f"report: {folder / 'report.html'}")


def print_table(table: "PageTable") -> None:
    """Print a table of a page."""
    shown = Table(title=escape(table.title) or None)
    for place, column in enumerate(table.columns):
        words = place == 0 or (not isinstance(column, str) and column.text)
        shown.add_column(escape(_text(column)), justify="left" if words else "right")
    for group in table.groups:
        for row in group.rows:
            shown.add_row(*(escape(_text(cell)) for cell in row))
    console().print(shown)


def _text(cell: "str | Cell | Column") -> str:
    from quantray.analytics.page import Column  # noqa: PLC0415

    if isinstance(cell, Column):
        return cell.title
    return cell if isinstance(cell, str) else cell.text


def _print(out: Console, text: str) -> None:
    """Plain text; a path broken over two lines could be neither clicked nor copied."""
    out.print(text, highlight=False, markup=False, soft_wrap=True)
