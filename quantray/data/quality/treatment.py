"""What is wrong in daily bars, by name, and what is done about it.

Each check flags rows; the treatment table says what happens to them; the report says what happened to how many.
Checks run in the order of ``checks.CHECKS``, each on what the one before it left.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator

from quantray.arrays import Bool
from quantray.data.calendar import BarLength
from quantray.data.frames import taken
from quantray.data.quality.check import PRICES, Check, Flags, SortedBars, Thresholds, Treatment
from quantray.data.quality.checks import CHECKS
from quantray.data.quality.events import Adjustment
from quantray.data.vendors.importing import FileReading
from quantray.errors import DataError

__all__ = ["Finding", "QualityReport", "QualitySettings", "clean", "noted"]


_STORED = "stored bars that the new ones show to be wrong; append the right ones, or import the whole history again"


class QualitySettings(Thresholds):
    """Treatments by check and the thresholds of the checks; YAML may override any of them."""

    treatments: dict[str, Treatment] = Field(default_factory=dict)
    """Check name -> treatment, over the defaults in ``checks.CHECKS``."""

    @field_validator("treatments")
    @classmethod
    def _known(cls, value: dict[str, Treatment]) -> dict[str, Treatment]:
        for name, treatment in value.items():
            check = next((c for c in CHECKS if c.name == name), None)
            if check is None:
                raise ValueError(f"{name!r} is no check; the checks are {', '.join(c.name for c in CHECKS)}")
            if treatment not in check.allowed:
                raise ValueError(f"{name} allows {', '.join(check.allowed)}, not {treatment!r}")
        return value


class Finding(BaseModel):
    """One check's result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    check: str
    meaning: str
    treatment: str
    n_flagged: int
    """Rows flagged; for cell checks, cells."""
    n_changed: int
    """Cells changed or rows removed by the treatment; 0 when kept."""
    n_assets: int
    examples: tuple[str, ...]
    cells: dict[str, int] = Field(default_factory=dict)
    """Flags by price column, for checks that look at single prices."""
    worst: dict[str, int]
    """The assets with most flags, at most 20."""
    dropped: tuple[str, ...] = ()
    """All assets that ``drop_asset`` removed from some date on; later appends leave them out too."""


class QualityReport(BaseModel):
    """Everything that was found in an import and done about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[str, ...]
    n_rows_read: int
    n_rows_kept: int
    n_rows_replaced: int = 0
    """Rows of an append that took the place of different ones in the store."""
    n_assets: int
    first: str
    last: str
    exchange: str
    bars: BarLength = "daily"
    """How long a bar lasts: ``daily`` or ``weekly``."""
    readings: tuple[FileReading, ...] = ()
    """What was understood of the files."""
    identified: bool = False
    """Whether assets are told by permanent ids."""
    adjustment: Adjustment
    findings: tuple[Finding, ...]

    def worst_assets(self, count: int = 15) -> list[tuple[str, dict[str, int]]]:
        """Assets with the most serious findings first: symbol and flags by check.

        Findings that remove or rewrite data count; missing and extreme days that are only reported do not.
        """
        flags: dict[str, dict[str, int]] = {}
        for finding in self.findings:
            if finding.treatment != "keep":
                for symbol, number in finding.worst.items():
                    flags.setdefault(symbol, {})[finding.check] = number
        return sorted(flags.items(), key=lambda item: (-sum(item[1].values()), item[0]))[:count]


def noted(name: str, meaning: str, treatment: str, examples: tuple[str, ...]) -> Finding:
    """A finding that no check makes: of reading files, or of joining them to a store; one example for each."""
    number = len(examples)
    return Finding(
        check=name,
        meaning=meaning,
        treatment=treatment,
        n_flagged=number,
        n_changed=number if treatment == "repair" else 0,
        n_assets=number,
        examples=examples[:6],
        worst={},
    )


def clean(
    bars: pd.DataFrame, settings: QualitySettings | None = None, *, context: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """Run every check on bars and treat what it finds.

    Parameters
    ----------
    bars : rows of date, symbol, close, optional open, high, low, volume, and ``dividend`` and ``split`` as
        ``adjustment.normalise_events`` leaves them.
    context : other bars of the same form that the checks compare with, but do not report, treat or return.

    Returns
    -------
    The treated bars sorted by symbol and date, and one finding per check that flagged anything.

    Raises
    ------
    DataError
        A check whose treatment is ``refuse`` flagged rows, or nothing is left.
    """
    chosen = settings or QualitySettings()
    # Checks compare neighbouring symbols over and over; categories make that a comparison of small integers.
    frame = bars.assign(fresh=True)
    del bars
    if context is not None:
        frame = pd.concat([context.assign(fresh=False), frame], ignore_index=True)
    frame = frame.assign(symbol=pd.Categorical(frame["symbol"]))
    code, date = frame["symbol"].cat.codes.to_numpy(), frame["date"].to_numpy()
    if not ((code[1:] > code[:-1]) | ((code[1:] == code[:-1]) & (date[1:] >= date[:-1]))).all():
        frame = frame.iloc[np.lexsort((date, code))]
    frame = frame.reset_index(drop=True)
    findings = []
    current: SortedBars | None = None
    for check in CHECKS:
        if frame.empty:
            break
        # What bars have worked out serves the next check, unless this one changed them.
        current = current or SortedBars(frame, chosen)
        fresh = frame["fresh"].to_numpy(dtype=np.bool_)
        every = check.find(current)
        flags, stored = every.among(fresh), every.among(~fresh)
        treatment = chosen.treatments.get(check.name, check.treatment)
        treated = _Treated(0)
        if flags.rows.any():
            treated = _treat(current, check, flags, treatment)
            findings.append(_finding(current, check, flags, treatment, treated.changed))
        if check.by_later and treatment == "drop_cell" and stored.rows.any():
            # New bars show that stored ones are wrong. These are not written again, but mislead no later check.
            known = frame if treated.frame is None else treated.frame
            prices = {name: np.where(stored.rows, np.nan, known[name]) for name in PRICES if name in known}
            treated = replace(treated, frame=known.assign(**prices))
            found = tuple(f"{check.name}: {text}" for text in _examples(current, check, stored))
            findings.append(noted("stored_bar_in_doubt", _STORED, "keep", found))
        if treated.gone is not None:
            # What was worked out goes first, or it would hold the columns that are to go.
            current = None
            frame = taken(frame, ~treated.gone)
        elif treated.frame is not None:
            current, frame = None, treated.frame
    if context is not None:
        frame = taken(frame, frame["fresh"].to_numpy(dtype=np.bool_))
    frame = frame.drop(columns="fresh")
    if frame.empty or not (frame["close"] > 0).any():
        raise DataError("no bar is left after the quality checks; every close is missing or was dropped.")
    symbols = frame["symbol"].cat
    # Converted as a whole, each row would become an object on the way.
    return frame.assign(symbol=symbols.categories.astype("str").array.take(symbols.codes)), tuple(findings)


@dataclass(frozen=True, eq=False)
class _Treated:
    """What a treatment made of bars: rows that go, or the frame that takes their place, or neither."""

    changed: int
    """Cells or rows."""
    gone: Bool | None = None
    frame: pd.DataFrame | None = None


def _treat(bars: SortedBars, check: Check, flags: Flags, treatment: Treatment) -> _Treated:
    frame, rows = bars.frame, flags.rows
    if treatment == "keep":
        return _Treated(0)
    if treatment == "refuse":
        example = next(_examples(bars, check, flags))
        advice = check.advice(bars, flags) if check.advice is not None else "treat them or mend the file"
        raise DataError(f"{int(rows.sum()):,} rows fail {check.name}, such as {example}; {advice}.")
    if treatment == "drop_row":
        return _Treated(int(rows.sum()), gone=rows)
    if treatment == "drop_asset":
        gone = pd.Series(rows).groupby(bars.code).cummax().to_numpy()
        return _Treated(int(gone.sum()), gone=gone)
    if treatment == "drop_cell":
        cells = flags.cells or {name: rows for name in flags.columns if name in frame}
        blank = {name: np.where(mask, np.nan, bars.column(name)) for name, mask in cells.items() if name in frame}
        return _Treated(sum(int(mask.sum()) for mask in cells.values()), frame=frame.assign(**blank))
    assert check.repair is not None, f"{check.name} allows repair but has none"
    repaired = check.repair(bars, flags)
    numbers = [c for c in repaired if c not in {"date", "symbol"}]
    before, after = frame.loc[rows, numbers], repaired.loc[rows, numbers]
    changed = int((after.ne(before) & ~(after.isna() & before.isna())).to_numpy().sum())
    return _Treated(changed, frame=repaired)


def _finding(bars: SortedBars, check: Check, flags: Flags, treatment: str, changed: int) -> Finding:
    counts = bars.frame["symbol"][flags.rows].astype("str").value_counts()
    # Ties in the count would otherwise come out in any order.
    counts = counts.sort_index().sort_values(ascending=False, kind="stable")
    number = sum(int(m.sum()) for m in flags.cells.values()) if flags.cells else int(flags.rows.sum())
    return Finding(
        check=check.name,
        meaning=check.meaning,
        treatment=treatment,
        n_flagged=number,
        n_changed=changed,
        n_assets=len(counts),
        examples=tuple(_examples(bars, check, flags)),
        cells={name: int(mask.sum()) for name, mask in (flags.cells or {}).items()},
        worst={str(name): int(value) for name, value in counts.head(20).items()},
        dropped=tuple(sorted(map(str, counts.index))) if treatment == "drop_asset" else (),
    )


def _examples(bars: SortedBars, check: Check, flags: Flags, count: int = 6) -> Iterator[str]:
    rows = np.flatnonzero(flags.rows)
    size = np.nan_to_num(np.abs(flags.value[rows])) if flags.value is not None else np.zeros(len(rows))
    rows = rows[np.argsort(size if flags.by_day else -size, kind="stable")]
    _, first = np.unique((bars.day if flags.by_day else bars.code)[rows], return_index=True)
    chosen = rows[np.sort(first)][:count]
    for row in chosen:
        record = bars.frame.iloc[row]
        prices = {name: f"{record[name]:g}" if name in bars.frame else "?" for name in (*PRICES, "volume")}
        value = 0.0 if flags.value is None else float(flags.value[row])
        text = check.detail.format(v=value, factor=float(np.exp(value)) if abs(value) < 50 else value, **prices)
        yield f"{record['symbol']} {str(record['date'])[:10]} {text}".rstrip()
