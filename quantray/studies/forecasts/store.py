"""Forecasts in versions on Delta Lake, so that a study records exactly which scores it acted on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from quantray.arrays import Dates, Float, Names, frozen
from quantray.errors import DataError, InputError
from quantray.printable import masked_uri
from quantray.storage.entries import Snapshot
from quantray.storage.versions import OvertakenError, Verification, VersionedTable

__all__ = ["ForecastStore", "ForecastVersion", "Forecasts"]

_SCHEMA = pa.schema([("date", pa.date32()), ("symbol", pa.string()), ("model", pa.string()), ("score", pa.float64())])

_REMEDIES = "write forecasts with ForecastStore.write first", "choose an empty folder"
_ATTEMPTS = 20
"""Of a write while others write."""


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Scores of one model; higher means a higher return expected relative to the other names of the date.

    Parameters
    ----------
    dates : (D,) strictly increasing; a score of a date uses nothing after its close.
    assets : (N,) unique.
    values : (D, N); NaN where there is no forecast.
    notes : what the writer said of them.

    Raises
    ------
    InputError
        Shapes disagree, dates are not increasing, names repeat, or a score is infinite.
    """

    model: str
    dates: Dates
    assets: Names
    values: Float
    version: int | None = None
    """Of the store that they were read from; none where they were computed."""
    notes: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        dates = np.asarray(self.dates).astype("datetime64[D]")
        assets, values = np.asarray(self.assets, dtype=np.str_), np.asarray(self.values, dtype=np.float64)
        if values.shape != (len(dates), len(assets)):
            raise InputError(f"forecasts are {values.shape} for {len(dates)} dates and {len(assets)} assets.")
        if not (np.diff(dates).astype(np.int64) > 0).all():
            raise InputError("forecast dates are not strictly increasing; sort them and drop duplicates.")
        if len(set(assets.tolist())) != len(assets):
            raise InputError("asset names of forecasts repeat; give each asset one column.")
        if np.isinf(values).any():
            raise InputError(f"{int(np.isinf(values).sum())} forecasts are infinite; mark what is not known as NaN.")
        for name, array in (("dates", dates), ("assets", assets), ("values", values)):
            object.__setattr__(self, name, frozen(array))

    def on(self, date: np.datetime64, assets: Names) -> Float:
        """(N,) scores of some assets on a date; NaN where there is none."""
        row = int(np.searchsorted(self.dates, date))
        out = np.full(len(assets), np.nan)
        if row == len(self.dates) or self.dates[row] != date or len(self.assets) == 0:
            return out
        order = np.argsort(self.assets)
        place = order[np.minimum(np.searchsorted(self.assets, assets, sorter=order), len(order) - 1)]
        known = self.assets[place] == assets
        out[known] = self.values[row, place[known]]
        return out


@dataclass(frozen=True)
class ForecastVersion:
    """One committed write."""

    number: int
    time: datetime
    model: str
    """Whose scores it replaced."""
    first: str
    last: str
    n_rows: int
    """Scores written."""
    notes: Mapping[str, str]


class _Commit(BaseModel):
    """What a commit says of itself."""

    model_config = ConfigDict(extra="forbid")

    model: str
    first: str
    last: str
    n_rows: int
    notes: dict[str, str]


class ForecastStore:
    """Scores by (date, symbol, model) under a folder or an object-store address, versioned and safe for readers.

    Parameters
    ----------
    root : a local folder, or an address such as ``s3://bucket/forecasts``.
    storage_options : credentials and the like for object stores, as ``deltalake`` takes them.
    """

    def __init__(self, root: str | Path, *, storage_options: Mapping[str, str] | None = None) -> None:
        self.uri = str(root)
        self._table = VersionedTable(
            self.uri, kind="forecast store", schema=_SCHEMA, remedies=_REMEDIES, storage_options=storage_options
        )

    def __repr__(self) -> str:
        return f"ForecastStore({masked_uri(self.uri)!r})"

    def write(
        self, model: str, dates: Dates, assets: Names, values: Float, notes: Mapping[str, str] | None = None
    ) -> int:
        """Make these scores the model's only ones, in one commit, and return the new version's number.

        Parameters
        ----------
        model : letters, digits, blanks, dots, dashes and underscores.
        dates, assets, values : see ``Forecasts``; what is NaN is not written, so a date or an asset without any score
            does not come back.
        notes : kept with the version, such as the settings of the fit and the data that it saw.

        Raises
        ------
        InputError
            The name is not allowed, or the scores are none; see ``Forecasts``.
        DataError
            There is no score at all, the store cannot be written, or another writer replaced the same model meanwhile.
        """
        _check_name(model)
        scores = Forecasts(model, dates, assets, values)
        row, column = np.nonzero(~np.isnan(scores.values))
        if len(row) == 0:
            raise DataError(f"all {scores.values.size} scores of {model} are NaN; check its dates and membership.")
        days = scores.dates[row]
        table = pa.table(
            {
                "date": pa.array(days),
                "symbol": pa.array(scores.assets[column].tolist(), pa.string()),
                "model": pa.array([model] * len(row), pa.string()),
                "score": pa.array(scores.values[row, column]),
            },
            schema=_SCHEMA,
        )
        told = {str(key): str(value) for key, value in (notes or {}).items()}
        commit = _Commit(model=model, first=str(days[0]), last=str(days[-1]), n_rows=len(row), notes=told)
        about = commit.model_dump(mode="json")
        base = found = self._latest()
        for _ in range(_ATTEMPTS):
            if _of(found, model) != _of(base, model):
                break
            try:
                return self._table.write([(model, table)], about, base=found).number
            except OvertakenError:
                found = self._latest()
        raise OvertakenError(f"another writer changed {model} in {self.uri} meanwhile; run the same command again.")

    def _version(self, commit: Snapshot) -> ForecastVersion:
        try:
            about = _Commit.model_validate(commit.notes)
        except ValidationError as error:
            raise DataError(f"{self.uri}: version {commit.number} holds no forecasts; write them anew.") from error
        return ForecastVersion(commit.number, commit.time, **about.model_dump())

    def _latest(self) -> Snapshot | None:
        return self._table.snapshot() if self.exists() else None

    def load(self, model: str, *, version: int | None = None) -> Forecasts:
        """The scores of a model, by increasing date and symbol.

        Parameters
        ----------
        version : of the store; by default the latest.

        Raises
        ------
        DataError
            No store, version or model of that name.
        """
        _check_name(model)
        found = self._table.snapshot(version)
        tables = list(self._table.read(found, ["date", "symbol", "score"], parts=lambda name: name == model))
        if not tables:
            known = ", ".join(self.models(found.number))
            raise DataError(f"{self.uri} version {found.number} has no forecasts of {model!r}; it has {known}.")
        rows = tables[0]
        dates, row = np.unique(rows["date"].to_numpy().astype("datetime64[D]"), return_inverse=True)
        symbols = rows["symbol"].unify_dictionaries().combine_chunks()
        names, place = np.unique(np.array(symbols.dictionary.to_pylist(), dtype=np.str_), return_inverse=True)
        values = np.full((len(dates), len(names)), np.nan)
        values[row, place[symbols.indices.to_numpy()]] = rows["score"].to_numpy()
        written = [each for each in self.versions() if each.model == model and each.number <= found.number]
        return Forecasts(model, dates, names, values, found.number, written[-1].notes)

    def models(self, version: int | None = None) -> tuple[str, ...]:
        """The models with forecasts, in alphabetical order.

        Raises
        ------
        DataError
            No store or version.
        """
        return tuple(part.name for part in self._table.snapshot(version).parts)

    def version(self) -> int:
        """The number of the latest version."""
        return self._table.snapshot().number

    def versions(self) -> tuple[ForecastVersion, ...]:
        """All committed versions, oldest first.

        Raises
        ------
        DataError
            No store.
        """
        return tuple(self._version(each) for each in self._table.snapshots())

    def verify(self) -> Verification:
        """Look at every byte of every version; raises as ``versions``."""
        return self._table.verify()

    def exists(self) -> bool:
        """Whether anything has been written.

        Raises
        ------
        DataError
            The place cannot be read.
        """
        return self._table.exists()


def _of(version: Snapshot | None, model: str) -> tuple[str, ...]:
    """The files that hold a model's scores."""
    return () if version is None else tuple(part.file for part in version.parts if part.name == model)


def _check_name(model: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]*", model):
        raise InputError(f"model name {model!r} must be letters, digits, blanks, dots, dashes and underscores.")
