"""All that one portfolio manager knows and decides; nothing here can reach anybody else's.

A world is given bars of the names of its mandate and what its own accounts hold, and answers with what they want. Its
strategies see bars as they would see days: a rule of twenty days looks twenty bars back. They are netted before
anything is traded; accounts are long only, so what nets below nothing is not held.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic import Field

from quantray.arrays import Float, Int
from quantray.data.panel import Panel
from quantray.errors import DataError, first_line
from quantray.institution.books import StrategySettings
from quantray.oms.messages import MONEY
from quantray.settings import SettingsModel
from quantray.strategies.rule import Rule
from quantray.trading.messages import Decided, Holding, News, Wish

__all__ = ["World", "WorldSettings"]

_FIELDS = ("open", "high", "low", "close", "volume")


class WorldSettings(SettingsModel):
    """What a manager's world begins with."""

    pm: str
    symbols: tuple[str, ...] = Field(min_length=1)
    accounts: tuple[str, ...] = Field(min_length=1)
    strategies: Mapping[str, StrategySettings] = Field(min_length=1)
    window: int = Field(60, ge=2)
    """Bars that strategies look back on."""
    invested: float = Field(0.9, gt=0, le=1)
    """Of an account's value, when its strategies want all; the rest pays for prices that move away."""
    band_bps: float = Field(20.0, ge=0)
    """Of an account's value: what differs less from its target is not traded."""


@dataclass(slots=True)
class World:
    """A manager's world, bar after bar.

    Parameters
    ----------
    news : (window, N) of each field so far, oldest first.
    wanted : (S, N) fractions of his money that each strategy wants to hold.
    """

    settings: WorldSettings
    news: dict[str, Int] = field(init=False)
    wanted: Float = field(init=False)
    _rules: list[Rule[Any]] = field(init=False)
    _shares_on_paper: Float = field(init=False)
    _earned: Float = field(init=False)
    _bar: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        it = self.settings
        self._rules = [each.build() for each in it.strategies.values()]
        self.news = {name: np.zeros((0, len(it.symbols)), dtype=np.int64) for name in _FIELDS}
        self.wanted = np.zeros((len(self._rules), len(it.symbols)))
        self._shares_on_paper = np.zeros_like(self.wanted)
        self._earned = np.zeros(len(self._rules))

    def take(self, news: News) -> None:
        """Remember a bar without deciding anything, such as one before the day.

        Raises
        ------
        DataError
            It came before, came late, leaves one out, or is of other symbols.
        """
        if self._bar is not None and news.bar != self._bar + 1:
            came = "came twice" if news.bar == self._bar else "came late" if news.bar < self._bar else "came too early"
            raise DataError(f"bar {news.bar} {came}; the next one is {self._bar + 1}.")
        rows = {name: np.array(getattr(news, name), dtype=np.int64) for name in _FIELDS}
        if any(row.shape != (len(self.settings.symbols),) for row in rows.values()):
            raise DataError(f"bar {news.bar} is not of the {len(self.settings.symbols)} symbols of {self.settings.pm}.")
        last, close = self.settings.window, rows["close"]
        if self._bar is not None:
            self._earned += self._shares_on_paper @ (close - self.news["close"][-1]) / MONEY
        self.news = {name: np.vstack([self.news[name], row])[-last:] for name, row in rows.items()}
        self._bar = news.bar

    def decide(self, news: News) -> Decided:
        """Take a bar, and say what the accounts want after it; raises as ``take``."""
        self.take(news)
        close = self.news["close"][-1]
        failed = self._look(news.bar)
        value = {name: _value(each, self.settings.symbols, close) for name, each in news.accounts.items()}
        self._put_on_paper(close, float(sum(value.values())))
        wishes = self._wishes(news.accounts, value, close)
        names = tuple(self.settings.strategies)
        return Decided(
            bar=news.bar,
            at=time.monotonic_ns(),
            wishes=wishes,
            earned={name: float(each) for name, each in zip(names, self._earned, strict=True)},
            failed=failed,
        )

    def _look(self, bar: int) -> dict[str, str]:
        """Ask the strategies whose turn it is; why those that raised did."""
        failed: dict[str, str] = {}
        panel = self._panel()
        total = sum(each.weight for each in self.settings.strategies.values())
        for place, (name, each) in enumerate(self.settings.strategies.items()):
            # Not all of them at once: every bar has its part of the work and of the trades.
            if (bar + place) % each.every_bars:
                continue
            try:
                weights = self._rules[place].weights(panel)[-1]
                if weights.shape != (len(panel.assets),) or not np.isfinite(weights).all():
                    raise DataError(f"weights {weights.shape} are not all numbers")
            except Exception as error:  # noqa: BLE001  (a strategy is anybody's code; the others go on)
                failed[name] = f"{type(error).__name__}: {first_line(error)}"[:300]
            else:
                self.wanted[place] = each.weight / total * weights
        return failed

    def _panel(self) -> Panel:
        """The bars as days of a panel; on them nobody looks ahead, since nothing later is there."""
        prices = {name: self.news[name] / MONEY for name in _FIELDS[:-1]}
        count = len(self.news["close"])
        return Panel(
            np.datetime64("2000-01-01", "D") + np.arange(count),
            np.array(self.settings.symbols),
            {**prices, "volume": self.news["volume"].astype(np.float64)},
            np.ones((count, len(self.settings.symbols)), dtype=np.bool_),
        )

    def _put_on_paper(self, close: Int, value: float) -> None:
        """What each strategy would hold had it traded at the close: what its earnings are reckoned from."""
        self._shares_on_paper = self.wanted * self.settings.invested * value / np.maximum(close, 1)

    def _wishes(self, accounts: Mapping[str, Holding], value: Mapping[str, int], close: Int) -> tuple[Wish, ...]:
        """Netted, and the same fraction of every account."""
        fractions = np.maximum(self.wanted.sum(axis=0), 0.0)
        fractions *= self.settings.invested / max(float(fractions.sum()), 1.0)
        sides: dict[tuple[int, str], dict[str, int]] = {}
        for name, holding in accounts.items():
            held = np.array([holding.shares.get(symbol, 0) for symbol in self.settings.symbols], dtype=np.int64)
            target = np.floor(fractions * max(value[name], 0) / np.maximum(close, 1)).astype(np.int64)
            moved = target - held
            moved[np.abs(moved) * close < self.settings.band_bps / 1e4 * value[name]] = 0
            for place in np.flatnonzero(moved):
                side = "buy" if moved[place] > 0 else "sell"
                sides.setdefault((int(place), side), {})[name] = abs(int(moved[place]))
        # Sales first: what they free can be spent a bar later.
        return tuple(
            Wish(symbol=self.settings.symbols[place], side=side, demands=demands)  # type: ignore[arg-type]
            for (place, side), demands in sorted(sides.items(), key=lambda one: (one[0][1] == "buy", one[0][0]))
        )


def _value(holding: Holding, symbols: tuple[str, ...], close: Int) -> int:
    """Units of money that an account is worth."""
    held = np.array([holding.shares.get(symbol, 0) for symbol in symbols], dtype=np.int64)
    return holding.cash + int(held @ close)
