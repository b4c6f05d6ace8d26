"""What runs hold, as tables on a terminal or in a log."""

from pathlib import Path
from typing import TYPE_CHECKING

from quantray.terminal import show_table, tell

if TYPE_CHECKING:
    from quantray.analytics.page import Cell, Column
    from quantray.analytics.page import Table as PageTable

__all__ = ["print_run", "print_table"]


def print_run(folder: Path) -> None:
    """Print a finished run of any kind: its table, what it found, what it took, and where its report is."""
    from quantray.research.folder import finished, read_page, read_run  # noqa: PLC0415
    from quantray.storage.locks import alone  # noqa: PLC0415

    with alone(folder):
        run = read_run(folder)
        about, page = finished(run), read_page(run)
    print_table(page.summary)
    for line in (page.headline, *about.notes):
        tell(line)
    tell(f"{about.work}; digest {about.digest}")
    tell(f"report: {folder / 'report.html'}")


def print_table(table: "PageTable") -> None:
    """Print a table of a page."""
    words = [i for i, column in enumerate(table.columns) if i == 0 or (not isinstance(column, str) and column.text)]
    rows = [[_text(cell) for cell in row] for group in table.groups for row in group.rows]
    right = set(range(len(table.columns))) - set(words)
    show_table([_text(column) for column in table.columns], rows, title=table.title, right=right)


def _text(cell: "str | Cell | Column") -> str:
    from quantray.analytics.page import Column  # noqa: PLC0415

    if isinstance(cell, Column):
        return cell.title
    return cell if isinstance(cell, str) else cell.text
