"""What quality checks of daily bars measure against, and what they return."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from quantray.arrays import Bool, Float
from quantray.data.calendar import BarLength

__all__ = ["BEYOND_NEWS", "BEYOND_QUIET", "PRICES", "Flags", "Thresholds", "Treatment"]

Treatment = Literal["keep", "repair", "drop_cell", "drop_row", "drop_asset", "refuse"]
"""``keep`` reports only; ``repair`` is described by each check; ``drop_cell`` blanks the flagged prices;
``drop_row`` removes the flagged rows; ``drop_asset`` removes an asset from its first flagged row on;
``refuse`` stops the import."""

PRICES = ("open", "high", "low", "close")
"""The price columns of a bar."""

BEYOND_QUIET, BEYOND_NEWS = np.log(3.0), np.log(5.0)
"""Log moves that no quiet day makes, and that no news makes: true moves of listed shares stay within five times."""


class Thresholds(BaseModel):
    """What the checks measure against."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    exchange: str = "XNYS"
    """Trading calendar; ``24/7`` for a market that never closes."""
    bars: BarLength = "daily"
    """How long a bar lasts."""
    today: date | None = None
    """Bars dated later are of the future; by default the day of the import."""
    thin_share: float = Field(0.7, gt=0, lt=1)
    """A trading day is thin with fewer rows than this share of the median day around it."""
    stale_days: int = Field(10, ge=2)
    """Equal closes in a row, without any range, that make a price stale."""
    jump: float = Field(0.5, gt=0)
    """Absolute log return that counts as a jump."""
    revert_days: int = Field(5, ge=1)
    """Rows within which a jump that comes back is a bad print."""
    extreme: float = Field(0.8, gt=0)
    """Absolute simple return of one day that is reported as extreme."""


@dataclass(frozen=True, eq=False)
class Flags:
    """Rows that a check flagged, with one number per row for its message."""

    rows: Bool
    value: Float | None = None
    columns: tuple[str, ...] = PRICES
    cells: dict[str, Bool] | None = None
    """Cell by cell where a check flags single prices of a row."""
    by_day: bool = False
    """Examples are one per day, smallest value first; else one per asset, largest first."""

    def among(self, rows: Bool) -> "Flags":
        """The same flags on some rows only."""
        cells = None if self.cells is None else {name: mask & rows for name, mask in self.cells.items()}
        return replace(self, rows=self.rows & rows, cells=cells)
