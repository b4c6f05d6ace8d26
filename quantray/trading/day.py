"""A trading day of a firm: bar after bar, from what worlds decide to shares in accounts.

At the beginning of a bar every manager's world is asked what it wants after the bar before; what comes in time is
placed as blocks and submitted in that manager's name, as it comes. The venue trades the bar, and what it filled is
shared out over the accounts. Whoever does not answer, or answers what is none, trades nothing: his manager is halted
when his world has ended, and nobody else is touched.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from quantray.arrays import Float
from quantray.errors import DataError, InputError
from quantray.execution.orders import Side
from quantray.institution.allocation import Rule
from quantray.institution.books import InstitutionSettings
from quantray.oms.block_records import Block, BlockStatus, block_account
from quantray.oms.blocks import allocate_block, block_statuses, place_block
from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.controls import set_marks, set_switch
from quantray.oms.gate import Gate
from quantray.oms.messages import NewOrder
from quantray.oms.paper.book import Book
from quantray.oms.paper.matching import Rules
from quantray.oms.submission import submit
from quantray.research.progress import follow
from quantray.trading.bars import MarketDay
from quantray.trading.handover import Handover
from quantray.trading.messages import Decided, Holding, News, as_bytes, read_decided
from quantray.trading.opening import open_day
from quantray.trading.world import WorldSettings
from quantray.trading.worlds import Answer, Worlds

__all__ = ["OPERATIONS", "Day", "DaySettings", "Outcome", "world_settings"]

OPERATIONS = Actor("trading day")
"""Who leads the day."""
_EXTENSION = "-1"
"""Of the one order that trades a block within a bar."""


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
    """

    seconds: float = 10.0
    patience: int = 3
    venue: str = "NYSE"
    seed: int = 0
    participation: float = 0.1


@dataclass(slots=True)
class Outcome:
    """What came of a day.

    Parameters
    ----------
    latencies : milliseconds from each accepted block's decision to its order's approval on disk.
    refused : blocks and orders that the gate refused, by code.
    left_out : accounts that were left out of a block, by reason.
    silent : by manager, what became of answers that did not come or were none, by reason.
    failed : by strategy, why it could not decide, and how often.
    earned : (S,) money of the currency by strategy on paper, over the day.
    blocks : all of them, as they ended.
    worth : units of money by account: before the day and after it.
    seconds : that the day took.
    memory : most bytes of each world.
    """

    orders: int = 0
    latencies: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    silent: dict[str, Counter[str]] = field(default_factory=dict)
    failed: dict[str, Counter[str]] = field(default_factory=dict)
    earned: dict[str, float] = field(default_factory=dict)
    blocks: list[BlockStatus] = field(default_factory=list)
    worth: dict[str, tuple[int, int]] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)
    seconds: float = 0.0
    memory: dict[str, int] = field(default_factory=dict)

    @property
    def latency(self) -> Float:
        """(B,) milliseconds."""
        return np.array(self.latencies, dtype=np.float64)


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
        The folder holds a day already; a mandate or an account names what is not there.
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
            open_day(gate, self.institution, self.market, OPERATIONS)
            rules = Rules(seed=self.settings.seed, participation=self.settings.participation)
            book = stack.enter_context(Book(self.market.today, self._folder / "venue.db", rules=rules))
            handover = Handover(gate, book)
            self._weigh(gate, outcome, before=True)
            self._look_back(worlds)
            for bar in follow(range(len(self.market.today)), total=len(self.market.today), label="bars"):
                self._bar(bar, gate, book, handover, worlds, outcome)
                self._told(bar, outcome)
            self._now = self.market.time(len(self.market.today))
            self._mark(gate, len(self.market.today))
            self._weigh(gate, outcome, before=False)
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
        held = gate.do(lambda books: {each.pm: _holdings(books, each) for each in self.worlds})
        asked = {pm: self.news(pm, bar - 1, accounts) for pm, accounts in held.items() if pm not in self._ended}
        placed: list[str] = []
        for answer in worlds.ask(asked, seconds=self.settings.seconds):
            decided = self._heard(answer, bar - 1, gate, worlds, outcome)
            if decided is not None:
                placed += self._placed(gate, answer.pm, bar, decided, outcome)
        handover.out()
        book.advance()
        handover.back()
        gate.do(lambda books: [allocate_block(books, OPERATIONS, name) for name in placed])
        for pm, held_bytes in worlds.memory().items():
            outcome.memory[pm] = max(outcome.memory.get(pm, 0), held_bytes)

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
        for name, earned in decided.earned.items():
            outcome.earned[name] = outcome.earned.get(name, 0.0) + earned
        for name, why in decided.failed.items():
            outcome.failed.setdefault(name, Counter())[why] += 1

    def _placed(self, gate: Gate, pm: str, bar: int, decided: Decided, outcome: Outcome) -> list[str]:
        """Place and submit what a manager wants in his name; the ids of the blocks that were accepted."""
        rule = self._rule(pm)
        blocks = [
            Block(
                id=f"{block_account(pm)}/{bar:03d}-{number:04d}",
                symbol=wish.symbol,
                side=Side(wish.side),
                demands=wish.demands,
                rule=rule(wish.demands),
            )
            for number, wish in enumerate(decided.wishes)
        ]
        actor = Actor(pm, pm)
        venue = self.settings.venue

        def done(books: Books) -> list[str]:
            accepted = []
            for block in blocks:
                placed = place_block(books, actor, block)
                outcome.left_out.update(each.reason for each in placed.left_out)
                if not placed.accepted:
                    outcome.refused[placed.code] += 1
                    continue
                accepted.append(block.id)
                order = NewOrder(
                    id=block.id + _EXTENSION,
                    account=block_account(pm),
                    symbol=block.symbol,
                    side=block.side,
                    quantity=placed.quantity,
                    tif="IOC",
                    venue=venue,
                    parent=block.id,
                )
                (decision,) = submit(books, [order], actor)
                outcome.orders += 1
                if not decision.accepted:
                    outcome.refused[decision.code] += 1
            return accepted

        accepted = gate.do(done)
        took = (time.monotonic_ns() - decided.at) / 1e6
        outcome.latencies += [took] * len(accepted)
        return accepted

    def _rule(self, pm: str) -> Callable[[Mapping[str, int]], Rule]:
        """How a manager's blocks are shared out, with the numbers that his rule needs."""
        method = self.institution.pms[pm].sharing
        numbers: dict[str, int] = {}
        if method == "priority":
            numbers = {name: self.institution.accounts[name].priority for name in self._by_pm[pm].accounts}
        elif method == "capital":
            numbers = {name: int(self.institution.accounts[name].cash) for name in self._by_pm[pm].accounts}
        return lambda demands: Rule(method=method, numbers={name: numbers[name] for name in demands} if numbers else {})

    def _weigh(self, gate: Gate, outcome: Outcome, *, before: bool) -> None:
        """Note what every account is worth, those for blocks and for what is left over among them."""

        def found(books: Books) -> tuple[dict[str, int], dict[str, Holding]]:
            held = {name: Holding(cash=it.cash, shares={}) for name, it in books.ledger.accounts.items()}
            for (name, symbol), line in books.ledger.lines.items():
                if line.shares:
                    held[name].shares[symbol] = line.shares
            marks = books.ledger.instruments
            worth = {
                name: it.cash + sum(count * marks[symbol].mark for symbol, count in it.shares.items())
                for name, it in held.items()
            }
            return worth, held

        worth, outcome.holdings = gate.do(found)
        for name, now in worth.items():
            # Those for blocks are opened within the day, with nothing.
            outcome.worth[name] = (now, now) if before else (outcome.worth.get(name, (0, 0))[0], now)


def _holdings(books: Books, world: WorldSettings) -> dict[str, Holding]:
    """What a manager's accounts hold, and nobody else's."""
    found = {name: Holding(cash=books.ledger.accounts[name].cash, shares={}) for name in world.accounts}
    for name, holding in found.items():
        for symbol in world.symbols:
            line = books.ledger.lines.get((name, symbol))
            if line is not None and line.shares > 0:
                holding.shares[symbol] = line.shares
    return found
