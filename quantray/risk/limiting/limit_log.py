"""The log of limits: breaches and levels that moved, in a file that only grows."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from quantray.arrays import as_day
from quantray.risk.limiting.limit_levels import LevelChange
from quantray.risk.limits import LimitUse
from quantray.risk.watching.alerts import Alert
from quantray.storage.journal import append_lines, read_lines

__all__ = ["log_breaches", "log_changes", "read_log"]


def log_breaches(path: str | Path, day: object, found: Iterable[LimitUse | Alert]) -> None:
    """Add the breaches of a day, of a check or of a monitor, and what is unknown; limits that are met are left out.

    Raises
    ------
    InputError
        The day is none.
    DataError
        As ``storage.journal.append_lines``.
    """
    date = str(as_day(day))
    what = {"unknown": "unknown", "soft": "breach", "hard": "breach"}
    told = [each for each in found if each.state in what]
    append_lines(Path(path), [{"day": date, "what": what[each.state], **asdict(each)} for each in told])


def log_changes(path: str | Path, changes: Iterable[LevelChange]) -> None:
    """Add levels that moved, with their reasons; raises as ``storage.journal.append_lines``."""
    append_lines(Path(path), [{"what": "level", **asdict(change)} for change in changes])


def read_log(path: str | Path) -> list[dict[str, object]]:
    """All entries, oldest first; raises a ``DataError`` where one is not what was written."""
    return read_lines(Path(path))
