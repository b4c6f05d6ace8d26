"""A trading day of a firm: bar after bar, from what worlds decide to shares in accounts.

At the beginning of a bar every manager's world is asked what it wants after the bar before; what comes in time is
placed as blocks and submitted in that manager's name, as it comes. The venue trades the bar, and what it filled is
shared out over the accounts. Whoever does not answer, or answers what is none, trades nothing: his manager is halted
when his world has ended, and nobody else is touched.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quantray.errors import DataError, InputError
from quantray.institution.books import InstitutionSettings
from quantray.oms.blocks import allocate_block, block_statuses
from quantray.oms.changes import Actor
from quantray.oms.controls import set_marks, set_switch
from quantray.oms.gate import Gate
from quantray.oms.paper.book import Book
from quantray.oms.paper.matching import Rules
from quantray.research.progress import follow
from quantray.trading.bars import MarketDay
from quantray.trading.handover import Handover
from quantray.trading.messages import Decided, Holding, News, as_bytes, read_decided
from quantray.trading.opening import day_set_up, open_day
from quantray.trading.outcome import Outcome, held_by, weighed
from quantray.trading.placing import place, sharing
from quantray.trading.world import WorldSettings
from quantray.trading.worlds import Answer, Worlds

__all__ = ["OPERATIONS", "Day", "DaySettings", "world_settings"]

OPERATIONS = Actor("trading day")
"""Who leads the day."""
_LONGEST = 86_400.0
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class DaySettings:
    """How a day is led.

    Parameters
    ----------
    seconds : that worlds have to answer.
    patience : bars in a row that a world may miss before it is ended.
    venue : where all orders go.
    seed : of the venue.
    participation : most of a bar's volume that all orders in a symbol may be.

    Raises
    ------
    InputError
        A number is out of range, or there is no such venue.
    """

    seconds: float = 10.0
    patience: int = 3
    venue: str = "NYSE"
    seed: int = 0
    participation: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= _LONGEST or self.patience < 0:
            raise InputError(
                f"seconds {self.seconds:g} must lie between 0 and {_LONGEST:,.0f}, and patience {self.patience} not "
                "below 0."
            )
        if self.venue not in self.rules.places:
            raise InputError(f"venue {self.venue!r} is none of {', '.join(sorted(self.rules.places))}.")

    @property
    def rules(self) -> Rules:
        """Of the venue."""
        return Rules(seed=self.seed, participation=self.participation)


def world_settings(institution: InstitutionSettings, market: MarketDay) -> tuple[WorldSettings, ...]:
    """What each manager's world begins with.

    Raises
    ------
    InputError
        A mandate names a symbol that the market has not.
    """
    found = []
    for pm, manager in sorted(institution.pms.items()):
        symbols = manager.mandate.symbols or market.symbols
        if unknown := sorted(set(symbols) - set(market.symbols)):
            raise InputError(f"the mandate of {pm} names {unknown[0]}, of which the day has no bars.")
        found.append(
            WorldSettings(
                pm=pm,
                symbols=tuple(symbols),
                accounts=institution.accounts_of(pm),
                strategies={name: institution.strategies[name] for name in institution.strategies_of(pm)},
                window=len(market.before),
            )
        )
    return tuple(found)


class Day:
    """A day of a firm on a paper venue.

    Parameters
    ----------
    folder : new or empty, of the gate's database and the venue's file.
    told : called after each bar with its number and the outcome so far.

    Raises
    ------
    InputError
        The folder holds a day already; a mandate or an account names what is not there; the firm lacks a limit.
    """

    def __init__(
        self,
        institution: InstitutionSettings,
        market: MarketDay,
        folder: Path,
        *,
        settings: DaySettings = DaySettings(),
        told: Callable[[int, Outcome], None] = lambda bar, outcome: None,
    ) -> None:
        self.institution, self.market, self.settings, self._told = institution, market, settings, told
        self.worlds = world_settings(institution, market)
        self._by_pm = {each.pm: each for each in self.worlds}
        self._columns = {
            each.pm: np.array([market.today.columns[symbol] for symbol in each.symbols]) for each in self.worlds
        }
        self._folder, self._now, self._missed = folder, market.time(0), Counter[str]()
        self._ended: set[str] = set()
        self._opening = day_set_up(institution, market)
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder} holds something already; give a day a folder of its own.")

    @property
    def database(self) -> str:
        """The gate's, which stays."""
        return f"sqlite:///{self._folder / 'orders.db'}"

    def run(self, worlds: Worlds) -> Outcome:
        """Lead the day to its end.

        Raises
        ------
        DataError
            The database or the venue's file cannot be written.
        """
        began, outcome = time.monotonic(), Outcome()
        self._folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            gate = stack.enter_context(Gate(self.database, clock=lambda: self._now))
            open_day(gate, self.institution, self._opening, OPERATIONS)
            book = stack.enter_context(Book(self.market.today, self._folder / "venue.db", rules=self.settings.rules))
            handover = Handover(gate, book)
            opened, _ = gate.do(weighed)
            self._look_back(worlds)
            for bar in follow(range(len(self.market.today)), total=len(self.market.today), label="bars"):
                self._bar(bar, gate, book, handover, worlds, outcome)
                self._told(bar, outcome)
            self._now = self.market.time(len(self.market.today))
            self._mark(gate, len(self.market.today))
            # What strategies earned in the last bar is heard, and nothing traded any more.
            list(self._decisions(len(self.market.today), gate, worlds, outcome))
            closed, outcome.holdings = gate.do(weighed)
            # Accounts for blocks are opened within the day, with nothing.
            outcome.worth = {name: (opened.get(name, 0), worth) for name, worth in closed.items()}
            outcome.blocks = gate.do(lambda books: block_statuses(books, OPERATIONS))
        outcome.seconds = time.monotonic() - began
        return outcome

    def _look_back(self, worlds: Worlds) -> None:
        """Give each world the bars before the day, but for the last: about that one it is asked."""
        before = self.market.before
        for row in range(len(before) - 1):
            worlds.tell({each.pm: self.news(each.pm, row - len(before)) for each in self.worlds})

    def news(self, pm: str, bar: int, accounts: Mapping[str, Holding] | None = None) -> bytes:
        """What a manager's world is told of a bar; those before the day are negative."""
        bars, columns = (self.market.today if bar >= 0 else self.market.before), self._columns[pm]
        fields = {
            name: tuple(getattr(bars, name)[bar, columns].tolist()) for name in News.model_fields if hasattr(bars, name)
        }
        return as_bytes(News(bar=bar, accounts=dict(accounts or {}), **fields))

    def _bar(self, bar: int, gate: Gate, book: Book, handover: Handover, worlds: Worlds, outcome: Outcome) -> None:
        self._now = self.market.time(bar)
        self._mark(gate, bar)
        placed: list[str] = []
        for pm, decided, since in self._decisions(bar, gate, worlds, outcome):
            rule, wishes = sharing(self.institution, pm), decided.wishes
            accepted = gate.do(
                lambda books, pm=pm, rule=rule, wishes=wishes: place(  # type: ignore[misc]
                    books, pm, bar, wishes, rule, venue=self.settings.venue, outcome=outcome
                )
            )
            outcome.latencies += [(time.monotonic_ns() - since) / 1e6] * len(accepted)
            placed += accepted
        handover.out()
        book.advance()
        handover.back()
        gate.do(lambda books: [allocate_block(books, OPERATIONS, name) for name in placed])
        for pm, held_bytes in worlds.memory().items():
            outcome.memory[pm] = max(outcome.memory.get(pm, 0), held_bytes)

    def _decisions(self, bar: int, gate: Gate, worlds: Worlds, outcome: Outcome) -> Iterator[tuple[str, Decided, int]]:
        """Ask about the bar before: who decided what, as it comes, and since when, in nanoseconds."""
        held = gate.do(lambda books: {each.pm: held_by(books, each) for each in self.worlds})
        asked = {pm: self.news(pm, bar - 1, accounts) for pm, accounts in held.items() if pm not in self._ended}
        began = time.monotonic_ns()
        for answer in worlds.ask(asked, seconds=self.settings.seconds):
            decided = self._heard(answer, bar - 1, gate, worlds, outcome)
            if decided is not None:
                # Another machine's clock, or one that lies: then from the question on.
                known = began <= decided.at <= time.monotonic_ns()
                yield answer.pm, decided, decided.at if known else began

    def _mark(self, gate: Gate, bar: int) -> None:
        """Reckon with the last prices that are known when a bar begins."""
        prices = self.market.opening() if bar == 0 else self.market.today.close[bar - 1]
        marks = dict(zip(self.market.symbols, prices.tolist(), strict=True))
        gate.do(lambda books: set_marks(books, OPERATIONS, marks))

    def _heard(self, answer: Answer, bar: int, gate: Gate, worlds: Worlds, outcome: Outcome) -> Decided | None:
        """What a world decided; None where it did not, which is noted."""
        world, why = self._by_pm[answer.pm], answer.silence
        if not why:
            try:
                decided = read_decided(
                    answer.raw,
                    bar=bar,
                    symbols=frozenset(world.symbols),
                    accounts=frozenset(world.accounts),
                    strategies=frozenset(world.strategies),
                )
            except DataError as error:
                why = str(error)
            else:
                self._missed[answer.pm] = 0
                self._credited(decided, outcome)
                return decided
        outcome.silent.setdefault(answer.pm, Counter())[why] += 1
        self._missed[answer.pm] += 1
        if why != "late" or self._missed[answer.pm] > self.settings.patience:
            worlds.stop(answer.pm, why)
            self._ended.add(answer.pm)
            gate.do(lambda books: set_switch(books, OPERATIONS, "pm", answer.pm, on=True))
        return None

    def _credited(self, decided: Decided, outcome: Outcome) -> None:
        outcome.earned |= decided.earned
        for name, why in decided.failed.items():
            outcome.failed.setdefault(name, Counter())[why] += 1
