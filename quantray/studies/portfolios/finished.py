"""A finished walk-forward, opened again: its settings, its records and the data that it read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantray.analytics.track import TrackRecord
from quantray.errors import InputError
from quantray.printable import is_masked
from quantray.research.folder import Run, finished, read_run, written_file
from quantray.research.market import MarketData, SimulatedData, StoreData, load_market
from quantray.settings import checked, nearest
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.portfolios.study import FIELDS

__all__ = ["FinishedRun", "open_run"]


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What a run was asked, what it found, and on what."""

    settings: PortfolioSettings
    records: tuple[TrackRecord, ...]
    data: MarketData


def open_run(folder: Path, portfolios: Sequence[str] = (), *, fields: Sequence[str] = FIELDS) -> FinishedRun:
    """The run of a folder.

    Parameters
    ----------
    portfolios : names of some of them; by default all.
    fields : of the data, of those that there are.

    Raises
    ------
    DataError
        As ``folder.read_run``, the run has not finished, a file of it is missing or damaged, or its data are gone.
    InputError
        It is of another kind, or holds no such portfolio.
    """
    run = read_run(folder)
    about = finished(run)
    if run.kind != "portfolios":
        raise InputError(f"{folder} is of kind {run.kind} and holds no portfolios; give a run of kind portfolios.")
    settings = checked(PortfolioSettings, run.settings, f"{folder}/settings.yaml")
    known = [name.split("/")[1] for name in about.files if re.fullmatch("tracks/[^/]*/accounts.parquet", name)]
    for name in portfolios:
        if name not in known:
            hint = nearest(name, known) or f" it holds {', '.join(known)}."
            raise InputError(f"{folder} holds no portfolio {name!r};{hint}")
    for name in portfolios or known:
        for part in ("accounts", "holdings"):
            written_file(folder, about, f"tracks/{name}/{part}.parquet")
    records = tuple(TrackRecord.read(folder / "tracks" / name) for name in portfolios or known)
    return FinishedRun(settings, records, load_market(_as_read(settings, run), settings.exchange, fields))


def _as_read(settings: PortfolioSettings, run: Run) -> StoreData | SimulatedData:
    """The data of a run; the store where it lay, from wherever this is asked."""
    data, seen = settings.data, finished(run).store
    if isinstance(data, StoreData) and seen is not None and not is_masked(seen.uri):
        return data.model_copy(update={"store": seen.uri})
    return data
