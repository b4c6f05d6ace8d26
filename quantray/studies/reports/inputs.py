"""What explains a run: tables of its folder, and what the data that it read say of factors and regimes."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quantray.analytics.attribution.attribute import Attribution
from quantray.arrays import Dates, Float, Names
from quantray.covariance.factor import FactorModel, fundamental_factors, statistical_factors
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError, QuantrayError
from quantray.features.returns import DELIST_RETURN, simple_returns
from quantray.regimes.indicators import market_lens
from quantray.regimes.path import RegimePath
from quantray.research.folder import Run, finished, written_file
from quantray.settings import nearest

__all__ = ["DATA_FIELDS", "DatedModels", "Explained", "check_among", "factor_models", "market_regimes", "run_table"]

DATA_FIELDS = ("close", "volume", "dividend_yield", DELIST_RETURN)
_MODEL_DAYS = 760
"""Behind a factor model."""
_STATISTICAL = 5
"""Factors where no fundamental model can be had."""

DatedModels = list[tuple[np.datetime64, FactorModel]]


@dataclass(frozen=True, eq=False)
class Explained:
    """A portfolio of a run, since inception and in a period."""

    whole: Attribution
    recent: Attribution
    benchmark: str
    """Its name; empty without one."""
    risk_free: float | Float
    """Simple yearly rate of cash, or (T,) its returns on all days."""
    periods_per_year: int
    about: str
    """Of the data, in a line."""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be had, and why."""


def run_table(run: Run, name: str) -> pa.Table:
    """A table of a finished run; raises ``DataError`` where it is missing or not as it was written."""
    content = written_file(run.folder, finished(run), f"{name}.parquet")
    return pq.read_table(io.BytesIO(content))


def check_among(chosen: str, names: list[str]) -> None:
    """Refuse the name of a portfolio that a run does not have, with ``InputError``."""
    if chosen not in names:
        raise InputError(f"the run has no portfolio {chosen!r};{nearest(chosen, names)} it has {', '.join(names)}.")


def factor_models(
    panel: Panel, assets: Names, sectors: Mapping[str, str], start: np.datetime64, notes: list[str]
) -> DatedModels | None:
    """A factor model of some assets for each year from a day on, from the days before it; what is missing is noted."""
    held = panel.select(assets)
    close, volume = held.field("close"), held.fields.get("volume")
    labels = [sectors.get(name) for name in assets.tolist()]
    first = panel.row(start)
    years = panel.dates[first:].astype("datetime64[Y]")
    starts = [first, *(first + np.flatnonzero(years[1:] != years[:-1])).tolist()]
    try:
        if volume is None:
            raise DataError("the data have no volume")
        return [
            (
                panel.dates[row],
                fundamental_factors(
                    close[max(0, row + 1 - _MODEL_DAYS) : row + 1],
                    volume[max(0, row + 1 - _MODEL_DAYS) : row + 1],
                    sectors=labels,
                ),
            )
            for row in dict.fromkeys(starts)
        ]
    except QuantrayError as error:
        notes.append(f"factors are statistical: {error}")
    try:
        past = simple_returns(close[max(0, first + 1 - _MODEL_DAYS) : first + 1])[1:]
        return [(panel.dates[first], statistical_factors(past, _STATISTICAL))]
    except QuantrayError as error:
        notes.append(f"there is no factor model: {error}")
    return None


def market_regimes(panel: Panel, dates: Dates, notes: list[str]) -> RegimePath | None:
    """The market's regimes where they are known before the first of some dates; what is missing is noted."""
    try:
        path = market_lens(panel).path
    except QuantrayError as error:
        notes.append(f"there are no regimes: {error}")
        return None
    if path.dates[0] >= dates[0]:
        notes.append(f"there are no regimes: they begin on {path.dates[0]}, and returns on {dates[0]}")
        return None
    return path
