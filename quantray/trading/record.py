"""A day written down: tables of orders, blocks, shares, lots and profit, and what each manager's books come to."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quantray.institution.books import InstitutionSettings
from quantray.institution.lots.records import Lot, Realised
from quantray.institution.tax_lots import LotBook
from quantray.oms.messages import MONEY
from quantray.oms.replay import Replay
from quantray.storage.files import write_atomically
from quantray.trading.outcome import Outcome
from quantray.trading.profit import Profit

__all__ = ["Summary", "digests", "summary_of", "write_day"]

_LATENCIES = (50.0, 99.0, 100.0)
_TYPES: Mapping[object, pa.DataType] = {int: pa.int64(), bool: pa.bool_(), float: pa.float64(), date: pa.date32()}
_COLUMNS: Mapping[str, Mapping[str, object]] = {
    "blocks": {"day": date, "block": str, "pm": str, "symbol": str, "side": str, "wanted": int, "filled": int}
    | {"price": float, "fee": float},
    "shares": {"day": date, "block": str, "account": str, "symbol": str, "side": str, "shares": int}
    | {"amount": float, "fee": float},
    "lots": get_type_hints(Lot) | {"side": int},
    "realised": get_type_hints(Realised),
    "profit": {"day": date, "of": str, "name": str, "money": float},
}
"""Of each table, also where it has no rows."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A day in a few numbers.

    Parameters
    ----------
    latency_ms : mean, median, 99th percentile and most of the milliseconds from decision to approval.
    failed : by strategy, how often it could not decide.
    breaches : what an independent reader of the log found against what was approved.
    """

    orders: int
    blocks: int
    filled: float
    refused: dict[str, int]
    left_out: dict[str, int]
    silent: dict[str, dict[str, int]]
    failed: dict[str, int]
    latency_ms: dict[str, float]
    breaches: int
    log_rows: int
    earned: float
    paper: float
    fees: float
    seconds: float
    digests: dict[str, str]


def digests(institution: InstitutionSettings, outcome: Outcome) -> dict[str, str]:
    """By manager, a hash of what his accounts hold and of how each of his blocks was shared out."""
    found = {}
    for pm in sorted(institution.pms):
        told = hashlib.sha256()
        for name in institution.accounts_of(pm):
            holding = outcome.holdings[name]
            told.update(json.dumps([name, holding.cash, sorted(holding.shares.items())]).encode())
        for block in outcome.blocks:
            if block.pm == pm:
                shares = sorted((name, tuple(share)) for name, share in block.shares.items())
                told.update(json.dumps([block.id, block.symbol, block.side, block.filled, shares]).encode())
        found[pm] = told.hexdigest()
    return found


def summary_of(institution: InstitutionSettings, outcome: Outcome, earned: Profit, replay: Replay) -> Summary:
    """A day in a few numbers."""
    wanted = sum(sum(block.demands.values()) for block in outcome.blocks)
    filled = sum(block.filled for block in outcome.blocks)
    times = outcome.latency
    latency = dict.fromkeys(("mean", "p50", "p99", "most"), 0.0)
    if len(times):
        p50, p99, most = np.percentile(times, _LATENCIES)
        latency = {"mean": float(times.mean()), "p50": float(p50), "p99": float(p99), "most": float(most)}
    return Summary(
        orders=outcome.orders,
        blocks=len(outcome.blocks),
        filled=filled / wanted if wanted else 0.0,
        refused=dict(sorted(outcome.refused.items())),
        left_out=dict(sorted(outcome.left_out.items())),
        silent={pm: dict(why) for pm, why in sorted(outcome.silent.items())},
        failed={name: why.total() for name, why in sorted(outcome.failed.items())},
        latency_ms=latency,
        breaches=replay.found,
        log_rows=replay.rows,
        earned=earned.firm,
        paper=sum(earned.paper.values()),
        fees=sum(earned.fees.values()),
        seconds=outcome.seconds,
        digests=digests(institution, outcome),
    )


def write_day(
    folder: Path, day: date, outcome: Outcome, earned: Profit, lots: LotBook, summary: Summary
) -> tuple[Path, ...]:
    """Write a day's tables and its summary into a folder; the paths.

    Raises
    ------
    DataError
        They cannot be written.
    """
    tables: dict[str, list[dict[str, Any]]] = {
        "blocks": [
            {"day": day, "block": it.id, "pm": it.pm, "symbol": it.symbol, "side": it.side.value}
            | {"wanted": sum(it.demands.values()), "filled": it.filled}
            | {"price": it.amount / it.filled / MONEY if it.filled else None, "fee": it.fee / MONEY}
            for it in outcome.blocks
        ],
        "shares": [
            {"day": day, "block": it.id, "account": account, "symbol": it.symbol, "side": it.side.value}
            | {"shares": share.shares, "amount": share.amount / MONEY, "fee": share.fee / MONEY}
            for it in outcome.blocks
            for account, share in sorted(it.shares.items())
        ],
        "lots": [asdict(lot) for lot in lots.lots],
        "realised": [asdict(it) for it in lots.realised],
        "profit": [
            {"day": day, "of": of, "name": name, "money": money}
            for of, each in (
                ("account", earned.accounts),
                ("manager", earned.managers),
                ("strategy on paper", earned.paper),
                ("implementation", earned.implementation),
                ("fees", earned.fees),
            )
            for name, money in each.items()
        ],
    }
    paths = []
    for name, rows in tables.items():
        sink = pa.BufferOutputStream()
        columns = pa.schema([(key, _TYPES.get(kind, pa.string())) for key, kind in _COLUMNS[name].items()])
        pq.write_table(pa.Table.from_pylist(rows, schema=columns), sink)
        paths.append(folder / f"{name}.parquet")
        write_atomically(paths[-1], sink.getvalue().to_pybytes())
    paths.append(folder / "summary.json")
    write_atomically(paths[-1], json.dumps(asdict(summary), indent=2).encode())
    return tuple(paths)
