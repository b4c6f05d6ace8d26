"""What checks found in bars: findings with their examples, and the report of an import."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from quantray.data.blocks import Block
from quantray.data.calendar import BarLength
from quantray.data.quality.bars import Market
from quantray.data.quality.check import PRICES, Flags
from quantray.data.quality.checks import Check
from quantray.data.quality.events import Adjustment
from quantray.data.vendors.importing import FileReading

__all__ = ["Finding", "QualityReport", "examples", "finding", "noted"]


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


def finding(market: Market, check: Check, flagged: Mapping[int, Flags], treatment: str) -> Finding:
    """What a check found in the blocks of a market, by their numbers, before anything is changed."""
    # By name first, or ties in the count would come out in any order.
    counts = pd.concat([_by_symbol(market.blocks[number], flags) for number, flags in flagged.items()]).sort_index()
    counts = counts.sort_values(ascending=False, kind="stable")
    cells: dict[str, int] = {}
    for flags in flagged.values():
        for name, mask in (flags.cells or {}).items():
            cells[name] = cells.get(name, 0) + int(mask.sum())
    return Finding(
        check=check.name,
        meaning=check.meaning,
        treatment=treatment,
        n_flagged=sum(cells.values()) if cells else int(counts.sum()),
        n_changed=0,
        n_assets=len(counts),
        examples=tuple(examples(market, check, flagged)),
        cells={name: cells[name] for name in PRICES if name in cells},
        worst={str(name): int(value) for name, value in counts.head(20).items()},
        dropped=tuple(sorted(map(str, counts.index))) if treatment == "drop_asset" else (),
    )


def _by_symbol(block: Block, flags: Flags) -> "pd.Series[int]":
    code, count = block.runs(flags.rows)
    return pd.Series(count, index=block.texts["symbol"].categories[code])


def examples(market: Market, check: Check, flagged: Mapping[int, Flags], count: int = 6) -> Iterator[str]:
    """Texts of flagged rows: one for each asset, largest value first, or for each day, smallest first."""
    chosen: dict[object, tuple[int, int]] = {}
    for _, number, row, key in sorted(place for each in flagged.items() for place in _places(market, *each, count)):
        chosen.setdefault(key, (number, row))
    for number, row in list(chosen.values())[:count]:
        yield _example(market, check, flagged[number], number, row)


def _places(market: Market, number: int, flags: Flags, count: int) -> list[tuple[float, int, int, int]]:
    """Rank, block, row and asset or day of what may be an example."""
    rows, bars = np.flatnonzero(flags.rows), market.part(number)
    size = np.nan_to_num(np.abs(flags.value[rows])) if flags.value is not None else np.zeros(len(rows))
    rank = size if flags.by_day else -size
    order = np.argsort(rank, kind="stable")
    keys = (bars.day if flags.by_day else bars.code)[rows[order]].astype(np.int64)
    first = np.sort(np.unique(keys, return_index=True)[1])[:count]
    return [(float(rank[order[i]]), number, int(rows[order[i]]), int(keys[i])) for i in first]


def _example(market: Market, check: Check, flags: Flags, number: int, row: int) -> str:
    block = market.blocks[number]
    prices = {name: f"{block.columns[name][row]:g}" if name in block else "?" for name in (*PRICES, "volume")}
    value = 0.0 if flags.value is None else float(flags.value[row])
    text = check.detail.format(v=value, factor=float(np.exp(value)) if abs(value) < 50 else value, **prices)
    return f"{block.text('symbol', row)} {str(block.columns['date'][row])[:10]} {text}".rstrip()
