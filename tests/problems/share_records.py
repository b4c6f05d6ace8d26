"""Tax lots by brute force: every share is a record of its own, and rules are applied to it as their text says.

It shares no code with the package but the words of the events. Rules: IRS Publication 550 (*Wash Sales*, *Holding
Period*) and 26 CFR 1.1091-1; shares of one lot have equal parts of its money, in whole units, the first ones the more.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import numpy as np

from quantray.institution.lots.events import (
    Cover,
    Event,
    Merger,
    Purchase,
    ReturnOfCapital,
    Sale,
    ShortSale,
    SpinOff,
    Split,
    TaxAccount,
)


@dataclass
class Share:
    account: str
    symbol: str
    trade: str
    place: int
    """In the order of purchases."""
    bought: date
    since: date
    money: int
    owed: bool = False
    used: bool = False
    fate: str = ""

    @property
    def lot(self) -> str:
        return self.trade + self.fate


@dataclass
class Lost:
    """A share sold at a loss that nothing has replaced."""

    line: dict[str, Any]
    share: Share
    loss: int
    sold: date


def even(money: int, count: int) -> list[int]:
    return [money // count + (i < money % count) for i in range(count)]


def share_out(shares: list[Share], money: int) -> None:
    for share, part in zip(shares, even(money, len(shares)), strict=True):
        share.money = part


def by_lot(shares: Iterable[Share]) -> list[list[Share]]:
    found: dict[Any, list[Share]] = {}
    for share in shares:
        found.setdefault((share.account, share.symbol, share.lot), []).append(share)
    return list(found.values())


@dataclass
class ByShare:
    """Shares in the order in which they were bought, lines as dictionaries."""

    accounts: dict[str, TaxAccount]
    identical: dict[str, str]
    shares: list[Share] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    trades: int = 0

    def held(self, account: str, symbol: str) -> list[Share]:
        return [s for s in self.shares if (s.account, s.symbol) == (account, symbol)]

    def same(self, account: str, symbol: str) -> tuple[str, str]:
        return self.accounts[account].taxpayer, self.identical.get(symbol, symbol)

    def apply(self, event: Event) -> None:
        if isinstance(event, Purchase | ShortSale):
            self.buy(event)
        elif isinstance(event, Sale | Cover):
            self.sell(event)
        else:
            if isinstance(event, Split):
                self.split_losses(event)
            for account in sorted({s.account for s in self.shares if s.symbol == event.symbol}):
                self.corporate(account, event)
        self.level()

    def level(self) -> None:
        for lot in by_lot(self.shares):
            share_out(lot, sum(s.money for s in lot))

    def buy(self, trade: Purchase | ShortSale) -> None:
        owed, self.trades = isinstance(trade, ShortSale), self.trades + 1
        new = [
            Share(trade.account, trade.symbol, trade.id, self.trades, trade.date, trade.date, money, owed)
            for money in even(trade.money, trade.shares)
        ]
        self.shares += new
        free = list(new)
        for lost in list(self.lost):
            near = trade.date - lost.sold <= timedelta(days=30)
            alike = self.same(lost.share.account, lost.share.symbol) == self.same(trade.account, trade.symbol)
            if free and near and alike and lost.share.owed == new[0].owed:
                self.replaced(lost, free.pop(0))
                self.lost.remove(lost)

    def replaced(self, lost: Lost, share: Share) -> None:
        """One share sold at a loss, one share bought."""
        share.used = True
        share.fate += f"+{lost.line['id']}"
        lost.line["disallowed"] += lost.loss
        if self.accounts[share.account].kind == "ira":
            lost.line["lost"] += lost.loss
            return
        share.money += -lost.loss if share.owed else lost.loss
        share.since = share.bought - (lost.sold - lost.share.since)

    def sell(self, trade: Sale | Cover) -> None:
        held = self.held(trade.account, trade.symbol)
        method = "fifo" if isinstance(trade, Cover) else self.accounts[trade.account].method
        if method == "average":
            share_out(held, sum(s.money for s in held))
        lots = by_lot(held)
        if method == "lifo":
            lots.reverse()
        if method == "hifo":
            lots.sort(key=lambda lot: Fraction(sum(s.money for s in lot), len(lot)), reverse=True)
        if method == "specific":
            assert isinstance(trade, Sale)
            assert trade.lots is not None
            lots = [lot[: trade.lots.get(lot[0].lot, 0)] for lot in lots]
        gone = [share for lot in lots for share in lot][: trade.shares]
        self.realise(gone, trade.money, trade.date, trade.id, "short" if isinstance(trade, Cover) else "sale")

    def realise(self, gone: list[Share], money: int, day: date, name: str, kind: str) -> None:
        paid = dict(zip(map(id, gone), even(money, len(gone)), strict=True))
        place = {id(share): i for i, share in enumerate(self.shares)}
        losing: list[Lost] = []
        for number, lot in enumerate(by_lot(gone), start=1):
            got, had = sum(paid[id(s)] for s in lot), sum(s.money for s in lot)
            proceeds, basis = (had, got) if lot[0].owed else (got, had)
            line = self.line(lot[0], len(lot), day, f"{name}.{number}", kind, proceeds, basis)
            if proceeds < basis and line["taxed"]:
                losing += [Lost(line, s, x, day) for s, x in zip(lot, even(basis - proceeds, len(lot)), strict=True)]
        losing.sort(key=lambda lost: place[id(lost.share)])
        out = set(map(id, gone))
        self.shares = [s for s in self.shares if id(s) not in out]
        for lost in losing:
            mine = self.same(lost.share.account, lost.share.symbol)
            able = (
                s
                for s in self.shares
                if not s.used and s.trade != lost.share.trade and s.owed == lost.share.owed
                if self.same(s.account, s.symbol) == mine and day - s.bought <= timedelta(days=30)
            )
            if (share := next(able, None)) is not None:
                self.replaced(lost, share)
            else:
                self.lost.append(lost)

    def line(
        self, share: Share, count: int, day: date, name: str, kind: str, proceeds: int, basis: int
    ) -> dict[str, Any]:
        line = {
            "id": name,
            "kind": kind,
            "account": share.account,
            "symbol": share.symbol,
            "lot": share.lot,
            "shares": count,
            "acquired": share.bought,
            "since": share.since,
            "sold": day,
            "proceeds": proceeds,
            "basis": basis,
            "taxed": self.accounts[share.account].kind != "ira",
            "disallowed": 0,
            "lost": 0,
        }
        self.lines.append(line)
        return line

    def corporate(self, account: str, event: Split | Merger | SpinOff | ReturnOfCapital) -> None:
        held = self.held(account, event.symbol)
        if held[0].owed:
            assert isinstance(event, Split)
            for lot in by_lot(held):
                assert len(lot) * event.new % event.old == 0
            self.exchange(held, event.symbol, event, 0)
        elif isinstance(event, Split):
            self.exchange(held, event.symbol, event, event.fraction_price)
        elif isinstance(event, ReturnOfCapital):
            for lot in by_lot(held):
                had, cash = sum(s.money for s in lot), event.cash * len(lot)
                share_out(lot, max(had - cash, 0))
                if cash > had:
                    self.paid(lot[0], event, event.symbol, "return of capital", cash - had, 0)
        elif isinstance(event, SpinOff):
            self.spin_off(held, event)
        elif event.into is None:
            self.realise(held, event.cash * len(held), event.date, f"{event.symbol}:{event.date}:{account}", "merger")
        else:
            for lot in by_lot(held):
                had, cash = sum(s.money for s in lot), event.cash * len(lot)
                gain = cash + event.fair_value * len(lot) * event.new // event.old - had
                # Section 356: gain is recognised up to the boot, loss is not; section 358: basis less boot, plus gain.
                recognised = min(max(gain, 0), cash)
                if cash:
                    self.paid(lot[0], event, event.symbol, "merger", cash, cash - recognised)
                share_out(lot, had - cash + recognised)
            self.exchange(held, event.into, event, event.fair_value)

    def paid(self, share: Share, event: Any, symbol: str, kind: str, proceeds: int, basis: int) -> None:
        line = self.line(share, 0, event.date, f"{symbol}:{event.date}:{share.lot}", kind, proceeds, basis)
        line["symbol"] = symbol

    def spin_off(self, held: list[Share], event: SpinOff) -> None:
        children: list[Share] = []
        for lot in by_lot(held):
            money = sum(s.money for s in lot)
            of_child = Fraction(event.child_value * event.new, event.old)
            exact = money * of_child / (of_child + event.parent_value)
            part = int(exact) + (exact - int(exact) > Fraction(1, 2))
            share_out(lot, money - part)
            new = [replace(s, used=True, fate=f"{s.fate}:{event.child}:{event.date}") for s in lot]
            share_out(new, part)
            children += new
        self.exchange(children, event.child, event, event.child_value)

    def exchange(self, old: list[Share], symbol: str, event: Any, fraction_price: int) -> None:
        """Each new share takes a stretch of the line of old ones, and is of the lot in which it begins."""
        length = Fraction(event.old, event.new)

        def up_to(place: Fraction) -> int:
            whole = int(place)
            part = int((place - whole) * old[whole].money) if place > whole else 0
            return sum(s.money for s in old[:whole]) + part

        count = len(old) * event.new // event.old
        made = []
        for k in range(count):
            first = old[int(k * length)]
            money = up_to((k + 1) * length) - up_to(k * length)
            made.append(replace(first, symbol=symbol, money=money))
        if count * length < len(old):
            price = fraction_price * (len(old) * event.new % event.old) // event.old
            basis = up_to(Fraction(len(old))) - up_to(count * length)
            self.paid(old[int(count * length)], event, symbol, "cash in lieu", price, basis)
        gone = set(map(id, old))
        self.shares = [s for s in self.shares if id(s) not in gone] + made
        self.shares.sort(key=lambda s: s.place)

    def split_losses(self, event: Split) -> None:
        """A share that waits for a replacement is as many new ones, a fraction of one counting as a whole."""
        sales: dict[str, list[Lost]] = {}
        for lost in self.lost:
            sales.setdefault(lost.line["id"], []).append(lost)
        self.lost = []
        for waiting in sales.values():
            count = len(waiting)
            if waiting[0].share.symbol == event.symbol:
                count = -(-count * event.new // event.old)
            self.lost += [replace(waiting[0], loss=x) for x in even(sum(w.loss for w in waiting), count)]


ACCOUNTS = (
    TaxAccount(id="A", taxpayer="one", method="fifo"),
    TaxAccount(id="B", taxpayer="one", method="hifo"),
    TaxAccount(id="C", taxpayer="one", method="average", kind="ira"),
    TaxAccount(id="D", taxpayer="two", method="lifo"),
    TaxAccount(id="E", taxpayer="two", method="average"),
    TaxAccount(id="F", taxpayer="two", method="specific"),
)
IDENTICAL = {"X": "the index", "X2": "the index"}


def random_history(rng: np.random.Generator, length: int) -> tuple[list[Event], ByShare]:
    """Valid events of all kinds over some years, close enough for many wash sales, and what they leave."""
    book, events = ByShare({a.id: a for a in ACCOUNTS}, IDENTICAL), []
    day = date(2023, 1, 2)
    while len(events) < length:
        day += timedelta(
            days=int(rng.choice([0, 1, 3, 10, 20, 30, 31, 150], p=[0.3, 0.2, 0.15, 0.14, 0.1, 0.04, 0.04, 0.03]))
        )
        event = _random_event(rng, book, day, f"T{len(events)}")
        if event is not None:
            events.append(event)
            book.apply(event)
    return events, book


def _random_event(rng: np.random.Generator, book: ByShare, day: date, name: str) -> Event | None:
    account = ACCOUNTS[rng.integers(len(ACCOUNTS))]
    symbol = str(rng.choice(["X", "X", "X2", "Y", "Z", "W"]))
    held = book.held(account.id, symbol)
    if rng.random() < 0.1:
        return _random_action(rng, book, day, symbol)
    about = {"id": name, "date": day, "account": account.id, "symbol": symbol}
    price = int(rng.integers(5, 40))
    if held and rng.random() < 0.55:
        shares = int(rng.integers(1, len(held) + 1))
        trade = {**about, "shares": shares, "money": price * shares + int(rng.integers(7))}
        if held[0].owed:
            return Cover(**trade)
        if account.method != "specific":
            return Sale(**trade)
        named = Counter(held[i].lot for i in rng.permutation(len(held))[:shares])
        return Sale(**trade, lots=dict(named))
    others = [s for s in book.shares if book.same(s.account, s.symbol) == book.same(account.id, symbol)]
    short = others[0].owed if others else bool(rng.random() < 0.15)
    shares = int(rng.integers(1, 13))
    trade = {**about, "shares": shares, "money": price * shares + int(rng.integers(7))}
    return ShortSale(**trade) if short else Purchase(**trade)


def _random_action(rng: np.random.Generator, book: ByShare, day: date, symbol: str) -> Event | None:
    shares = [s for s in book.shares if s.symbol == symbol]
    if not shares:
        return None
    new, old = ((2, 1), (3, 2), (1, 3), (5, 4))[rng.integers(4)]
    if any(s.owed for s in shares):
        return Split(date=day, symbol=symbol, new=2, old=1)
    other = "Z" if symbol != "Z" else "W"
    owed = any(s.owed for s in book.shares if s.symbol == other)
    kind = int(rng.integers(5))
    if kind == 0 or owed:
        return Split(date=day, symbol=symbol, new=new, old=old, fraction_price=17)
    if kind == 1:
        return ReturnOfCapital(date=day, symbol=symbol, cash=int(rng.integers(1, 12)))
    if kind == 2:
        return SpinOff(date=day, symbol=symbol, child=other, new=new, old=old, parent_value=19, child_value=7)
    if kind == 3:
        return Merger(date=day, symbol=symbol, cash=int(rng.integers(5, 30)))
    cash = int(rng.integers(3)) * 5
    return Merger(date=day, symbol=symbol, into=other, new=new, old=old, cash=cash, fair_value=13)
