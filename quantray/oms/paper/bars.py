"""The market that a paper venue replays: bars of a day or of several, in whole shares and units of money."""

import hashlib
import io
import zipfile
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np

from quantray.arrays import Dates, Float, Int
from quantray.errors import DataError, InputError, first_line
from quantray.execution.impact import ImpactModel
from quantray.inputs import open_file
from quantray.storage.files import write_atomically

__all__ = ["Bars", "read_bars", "write_bars"]

_SESSION = 390 * 60.0
"""Seconds of a usual session, which counts as one day in volatility and volume."""

_PRICES = ("open", "high", "low", "close")
_IMPACT = ("adv", "volatility", "half_spread", "temporary", "permanent")


@dataclass(frozen=True, eq=False, kw_only=True)
class Bars:
    """B bars of N symbols, in order of time.

    Parameters
    ----------
    symbols : (N,) names, each once.
    times : (B,) datetime64[s], UTC, at which each begins.
    seconds : that a bar lasts.
    open, high, low, close : (B, N) units of money a share; where ``volume`` is zero they say nothing.
    volume : (B, N) shares that others trade.
    impact : (N,) with ``adv`` in shares.

    Raises
    ------
    InputError
        Shapes or times disagree, a bar contradicts itself, or a name's impact is not known.
    """

    symbols: tuple[str, ...]
    times: Dates
    seconds: float
    open: Int
    high: Int
    low: Int
    close: Int
    volume: Int
    impact: ImpactModel

    def __post_init__(self) -> None:
        shape = (len(self.times), len(self.symbols))
        if any(getattr(self, name).shape != shape for name in (*_PRICES, "volume")) or not all(shape):
            raise InputError(f"bars of {shape[0]} times and {shape[1]} symbols need fields of that shape.")
        if len(set(self.symbols)) != shape[1] or not (np.diff(self.times).astype(np.int64) >= self.seconds).all():
            raise InputError("symbols of bars must differ, and times be in order, no nearer than a bar is long.")
        if not self.seconds > 0 or self.impact.adv.shape != shape[1:] or not self.impact.known.all():
            raise InputError("bars need a positive length, and the volume, volatility and spread of each symbol.")
        low, high = np.minimum(self.open, self.close), np.maximum(self.open, self.close)
        right = (self.low > 0) & (self.low <= low) & (high <= self.high)
        if (self.volume < 0).any() or not (right | (self.volume == 0)).all():
            bar, column = np.argwhere((self.volume < 0) | ~(right | (self.volume == 0)))[0]
            raise InputError(f"bar {bar} of {self.symbols[column]} contradicts itself; mend it first.")

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def columns(self) -> dict[str, int]:
        """Where each symbol stands."""
        return {symbol: column for column, symbol in enumerate(self.symbols)}

    @property
    def days(self) -> float:
        """Trading days that a bar takes."""
        return self.seconds / _SESSION

    def day(self, bar: int) -> date:
        """The day (UTC) of a bar."""
        return self.times[bar].astype("datetime64[D]").item()  # type: ignore[no-any-return]

    def ends_day(self, bar: int) -> bool:
        """Whether the day ends with a bar."""
        return bar + 1 >= len(self) or self.day(bar + 1) != self.day(bar)

    def stamp(self, bar: int, seconds: float = 0.0) -> str:
        """UTC, ISO 8601, so many seconds into a bar; after the last one, from its end on."""
        last = min(bar, len(self) - 1)
        after = seconds if bar == last else self.seconds
        moment = self.times[last].astype("datetime64[ms]") + np.timedelta64(round(1000 * after), "ms")
        return f"{moment}Z"

    def digest(self) -> str:
        """Hash of all that the bars say."""
        told = hashlib.blake2b(digest_size=16)
        for name, array in sorted(_arrays(self).items()):
            told.update(f"{name} {array.dtype.str} {array.shape}".encode())
            told.update(np.ascontiguousarray(array).tobytes())
        return told.hexdigest()


def write_bars(bars: Bars, path: Path) -> None:
    """Write bars to a file of numpy (``.npz``); raises ``DataError`` where it cannot be written."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **_arrays(bars))
    write_atomically(path, buffer.getvalue())


def read_bars(path: Path) -> Bars:
    """What ``write_bars`` wrote.

    Raises
    ------
    InputError
        There is no such file, or what it holds contradicts itself.
    DataError
        It is no file of bars.
    """
    try:
        with open_file(path) as opened, np.load(opened, allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        impact = ImpactModel(**{name: arrays[name] for name in _IMPACT}, power=float(arrays["power"]))
        return Bars(
            symbols=tuple(arrays["symbols"].tolist()),
            times=arrays["times"].astype("datetime64[s]"),
            seconds=float(arrays["seconds"]),
            impact=impact,
            **{name: arrays[name].astype(np.int64) for name in (*_PRICES, "volume")},
        )
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there; `quantray venue bars` makes a file of bars.") from error
    except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} holds no bars ({first_line(error)}); make it again with `quantray venue bars`."
        ) from error


def _arrays(bars: Bars) -> dict[str, Int | Float | Dates]:
    named = {name: getattr(bars, name) for name in (*_PRICES, "volume")}
    impact = {name: getattr(bars.impact, name) for name in _IMPACT}
    others = {"symbols": np.array(bars.symbols), "times": bars.times, "seconds": np.float64(bars.seconds)}
    return {**named, **impact, **others, "power": np.float64(bars.impact.power)}
