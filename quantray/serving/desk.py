"""A day's rebalance with its books on a shelf: read the last, decide, publish, and keep a record of what it took."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from io import StringIO
from pathlib import Path

import pandas as pd

from quantray.daily.book import Book
from quantray.daily.gate import GateError
from quantray.daily.rebalance import Rebalanced, rebalance
from quantray.daily.settings import RebalanceSettings
from quantray.errors import InputError, LimitBreachError, QuantrayError, first_line
from quantray.inputs import read_text
from quantray.serving.alerts import Alert, Alerts, Event, read_alerts
from quantray.serving.publish import Pointer, Shelf
from quantray.storage.files import write_atomically
from quantray.storage.seals import seal_json

__all__ = ["Published", "last_before", "read_holdings", "run_day"]


@dataclass(frozen=True, eq=False)
class Published:
    """A day that was published."""

    pointer: Pointer
    done: Rebalanced
    record: Path
    """JSON of what each stage took, the gate and the notes."""


def run_day(
    settings: RebalanceSettings,
    *,
    bars: str | Path | None = None,
    day: date | None = None,
    holdings: Path | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> Published:
    """Rebalance a day and publish its book; the same day again publishes nothing new.

    Takes and raises as ``rebalance``.

    Parameters
    ----------
    holdings : CSV of symbol and shares that are really held, with money in the row ``CASH``.

    Raises
    ------
    DataError
        Besides: the books or the record cannot be written.
    """
    alerts = None if settings.alerts is None else Alerts(read_alerts(settings.alerts))
    try:
        found = _run_day(settings, bars, day, holdings, progress)
    except QuantrayError as error:
        if alerts is not None:
            alerts.give(Alert(_event(error), settings.name, str(error)))
        raise
    if alerts is not None:
        for event in _EVENTS.values():
            alerts.over(event, settings.name)
    return found


def _run_day(
    settings: RebalanceSettings,
    bars: str | Path | None,
    day: date | None,
    holdings: Path | None,
    progress: Callable[[str], None],
) -> Published:
    shelf = Shelf.at(settings.books)
    held = None if holdings is None else read_holdings(holdings)
    before = last_before(shelf)
    done = rebalance(settings, before, bars=bars, day=day, holdings=held, progress=progress)
    progress("publish")
    pointer = shelf.publish(done.book)
    record = Path(settings.runs) / "daily" / settings.name / f"{pointer.as_of}.json"
    write_atomically(record, seal_json(_record(pointer, done), record.name))
    return Published(pointer, done, record)


_EVENTS: dict[type[QuantrayError], Event] = {
    GateError: "gate failed",
    LimitBreachError: "limit breached",
    QuantrayError: "rebalance failed",
}


def _event(error: QuantrayError) -> Event:
    return next(event for kind, event in _EVENTS.items() if isinstance(error, kind))


def last_before(shelf: Shelf) -> Callable[[date], Book | None]:
    """What gives the latest book of a day before one; None where there is none."""

    def before(day: date) -> Book | None:
        days = [each for each in shelf.days() if each < day]
        return shelf.read(shelf.of(days[-1])) if days else None

    return before


def read_holdings(path: Path) -> pd.DataFrame:
    """The columns of a CSV file, as they are written: NA is a symbol like any other.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        return pd.read_csv(StringIO(read_text(path, "file of holdings")), dtype=str, keep_default_na=False)
    except ValueError as error:
        wrong = first_line(error)
        raise InputError(f"{path} is no CSV of holdings: {wrong}; give the columns symbol and shares.") from error


def _record(pointer: Pointer, done: Rebalanced) -> str:
    said = {
        "as_of": str(pointer.as_of),
        "version": pointer.version,
        "store_version": done.store_version,
        "seconds": {name: round(value, 3) for name, value in done.seconds.items()},
        "gate": asdict(done.gate),
        "notes": list(done.notes),
    }
    return json.dumps(said, indent=2)
