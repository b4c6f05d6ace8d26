"""What is done about what checks find in daily bars.

Each check flags rows; the treatment table says what happens to them; the report says what happened to how many.
Checks run in the order of ``checks.CHECKS``, each on what the one before it left.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from quantray.arrays import Bool, Float
from quantray.data.blocks import Block, in_blocks, together
from quantray.data.quality.bars import Market
from quantray.data.quality.check import PRICES, Flags, Thresholds, Treatment
from quantray.data.quality.checks import CHECKS, Check
from quantray.data.quality.findings import Finding, examples, finding, noted
from quantray.errors import DataError

__all__ = ["QualitySettings", "clean", "clean_blocks"]


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
    if context is None:
        blocks = in_blocks(bars.copy(deep=False))
    else:
        both = [context.assign(fresh=False), bars.assign(fresh=True)]
        blocks = in_blocks(pd.concat(both, ignore_index=True))
    findings = clean_blocks(blocks, settings or QualitySettings())
    return together(blocks), findings


def clean_blocks(blocks: list[Block], settings: QualitySettings) -> tuple[Finding, ...]:
    """What ``clean`` does, to blocks of bars in place; a column ``fresh`` is False on rows of the context."""
    findings: list[Finding] = []
    market: Market | None = None
    for check in CHECKS:
        # What the market has worked out serves the next check, unless this one changes it.
        market = market or Market(tuple(blocks), settings)
        treatment = settings.treatments.get(check.name, check.treatment)
        flagged, stored = _flagged(market, check)
        told = finding(market, check, flagged, treatment) if flagged else None
        if told and treatment == "refuse":
            raise _refusal(market, check, flagged, told)
        found = [told] if told else []
        # New bars may show that stored ones are wrong. These are not written again, but mislead no later check.
        in_doubt = stored if check.by_later and treatment == "drop_cell" else {}
        if in_doubt:
            texts = tuple(f"{check.name}: {text}" for text in examples(market, check, in_doubt))
            found.append(noted("stored_bar_in_doubt", _STORED, "keep", texts))
        if treatment != "keep" and (told or in_doubt):
            # It would hold what is to go.
            market = None
            changed = _treat(blocks, check, flagged, treatment, settings)
            for number, flags in in_doubt.items():
                for name in PRICES:
                    _blank(blocks[number], name, flags.rows)
            found = [told.model_copy(update={"n_changed": changed}), *found[1:]] if told else found
        findings += found
        if not blocks:
            break
    for block in blocks:
        if "fresh" in block:
            block.keep(block.columns["fresh"].copy())
            block.drop("fresh")
    if not any((block.columns["close"] > 0).any() for block in blocks):
        raise DataError("no bar is left after the quality checks; every close is missing or was dropped.")
    return tuple(findings)


def _flagged(market: Market, check: Check) -> tuple[dict[int, Flags], dict[int, Flags]]:
    """Flags of blocks that have any, by their numbers: those of fresh rows, and those of the context."""
    flagged: dict[int, Flags] = {}
    stored: dict[int, Flags] = {}
    for bars in market.parts():
        flags = check.find(bars)
        if not flags.rows.any():
            continue
        fresh = bars.block.columns.get("fresh", np.ones(len(bars), dtype=np.bool_))
        for kept, rows in ((flagged, fresh), (stored, ~fresh)):
            if (some := flags.among(rows)).rows.any():
                kept[bars.number] = some
    return flagged, stored


def _refusal(market: Market, check: Check, flagged: Mapping[int, Flags], told: Finding) -> DataError:
    number = sum(int(flags.rows.sum()) for flags in flagged.values())
    advice = check.advice(market, flagged) if check.advice is not None else "treat them or mend the file"
    return DataError(f"{number:,} rows fail {check.name}, such as {told.examples[0]}; {advice}.")


def _treat(
    blocks: list[Block],
    check: Check,
    flagged: Mapping[int, Flags],
    treatment: Treatment,
    settings: QualitySettings,
) -> int:
    """Treat flagged rows in place; the number of cells changed, or of rows that went."""
    changed = 0
    for number, flags in flagged.items():
        block = blocks[number]
        if treatment in ("drop_row", "drop_asset"):
            gone = flags.rows if treatment == "drop_row" else _from_first(flags.rows, block.columns["symbol"])
            block.keep(~gone)
            changed += int(gone.sum())
        elif treatment == "drop_cell":
            cells = flags.cells or dict.fromkeys(flags.columns, flags.rows)
            changed += sum(_blank(block, name, rows) for name, rows in cells.items())
        else:
            assert check.repair is not None, f"{check.name} allows repair but has none"
            repaired = check.repair(Market((block,), settings).part(0), flags)
            changed += sum(_replace(block, name, values, flags.rows) for name, values in repaired.items())
    blocks[:] = [block for block in blocks if len(block)]
    return changed


def _from_first(rows: Bool, code: np.ndarray) -> Bool:
    """Rows of each symbol from its first flagged one on."""
    return pd.Series(rows).groupby(code).cummax().to_numpy()


def _blank(block: Block, name: str, rows: Bool) -> int:
    """Leave out some cells of a column, if it is there; their number."""
    if name not in block:
        return 0
    values = block.columns[name]
    if not np.issubdtype(values.dtype, np.floating):
        block.put(name, values.astype(np.float64))
    block.columns[name][rows] = np.nan
    return int(rows.sum())


def _replace(block: Block, name: str, values: Float, rows: Bool) -> int:
    """Set a column; the number of cells that change in some rows."""
    before, after = block.columns[name][rows], values[rows]
    changed = int(((after != before) & ~(np.isnan(after) & np.isnan(before))).sum())
    block.put(name, values)
    return changed
