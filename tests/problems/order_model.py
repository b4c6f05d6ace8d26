"""What orders lead to, computed from scratch each time: slow, simple, and unlike the gate."""

from dataclasses import dataclass, field

from quantray.execution.orders import Side
from quantray.oms.messages import NewOrder, Report, ReportKind, VenueOrder
from quantray.oms.states import ENDED, State

FEE = 100
OPEN_STATES = {"RESERVED", "SENT", "ACKED", "PARTIAL", "CANCEL_PENDING", "UNKNOWN"}


@dataclass
class VenueSide:
    """An order at its venue, which never forgets, and everything that it said of it."""

    order: NewOrder
    state: State = State.ACKED
    fills: dict[str, list[Report]] = field(default_factory=dict)
    """Each fill with what amends it, the last of which is true."""
    said: list[Report] = field(default_factory=list)

    @property
    def filled(self) -> int:
        return sum(words[-1].quantity for words in self.fills.values() if words[-1].kind is not ReportKind.BUST)

    def tell(self, kind: str, **more) -> Report:
        time = f"2026-03-02T17:00:00.{len(self.said):06}Z"
        self.said.append(Report(kind=ReportKind(kind), order=self.order.id, venue="NYSE", time=time, **more))
        return self.said[-1]

    def fill(self, name: str, quantity: int, price: int) -> None:
        quantity = min(quantity, self.order.quantity - self.filled)
        if self.state in ENDED or quantity <= 0:
            return
        self.fills[name] = [self.tell("fill", exec_id=name, quantity=quantity, price=price, fee=quantity)]
        self.state = State.FILLED if self.filled == self.order.quantity else State.PARTIAL

    def amend(self, name: str, kind: str, quantity: int) -> None:
        for fill, words in self.fills.items():
            last = words[-1]
            if last.kind is ReportKind.BUST or (kind == "correct" and not 0 < quantity < words[0].quantity):
                continue
            # Of the fill itself, or of the correction before: venues do both.
            refers = last.exec_id if len(words) % 2 else fill
            right = {"quantity": quantity, "price": last.price, "fee": 1} if kind == "correct" else {}
            words.append(self.tell(kind, exec_id=name, refers=refers, **right))
            if self.state is State.PARTIAL and not self.filled:
                self.state = State.ACKED
            return

    def end(self, state: State) -> None:
        if self.state not in ENDED and not (state is State.REJECTED and self.fills):
            self.state = state
            self.tell(state.value.lower(), filled=self.filled)

    def known(self) -> VenueOrder:
        return VenueOrder(self.order.id, self.state, self.filled, tuple(r for r in self.said if r.exec_id))


@dataclass
class Model:
    """Everything that was ever said, from which all is added up again."""

    pms: dict[str, str]
    cash: dict[str, int]
    shares: dict[tuple[str, str], int]
    marks: dict[str, int]
    limits: dict[str, int]
    orders: dict[str, NewOrder] = field(default_factory=dict)
    """Those that were accepted."""
    heard: dict[str, Report] = field(default_factory=dict)
    """Executions that were booked, by their id."""

    def true_fills(self, order: str) -> list[Report]:
        """The fills of an order as far as was heard: each as what amends it last says."""
        amended = {}
        for report in self.heard.values():
            if report.kind is not ReportKind.FILL:
                amended[report.refers] = max(report, amended.get(report.refers, report), key=lambda each: each.time)
        found = []
        for word in self.heard.values():
            if word.kind is ReportKind.FILL and word.order == order:
                while word.exec_id in amended:
                    word = amended[word.exec_id]  # noqa: PLW2901
                found += [word] if word.kind is not ReportKind.BUST else []
        return found

    def filled(self, order: str) -> int:
        return sum(fill.quantity for fill in self.true_fills(order))

    def position(self, account: str, symbol: str) -> int:
        these = [o for o in self.orders.values() if (o.account, o.symbol) == (account, symbol)]
        return self.shares.get((account, symbol), 0) + sum(o.side.sign * self.filled(o.id) for o in these)

    def money(self, account: str) -> int:
        paid = 0
        for order in self.orders.values():
            if order.account == account:
                paid += sum(order.side.sign * f.quantity * f.price + f.fee for f in self.true_fills(order.id))
        return self.cash[account] - paid

    def left(self, order: NewOrder, states: dict[str, str]) -> int:
        return max(order.quantity - self.filled(order.id), 0) if states[order.id] in OPEN_STATES else 0

    def reserved(self, account: str, states: dict[str, str]) -> int:
        these = [o for o in self.orders.values() if o.account == account and o.side is Side.BUY]
        return sum(self.left(o, states) * (o.limit + FEE) for o in these)

    def open_shares(self, account: str, symbol: str, states: dict[str, str]) -> tuple[int, int]:
        """To be bought and to be sold."""
        these = [o for o in self.orders.values() if (o.account, o.symbol) == (account, symbol)]
        bought = sum(self.left(o, states) for o in these if o.side is Side.BUY)
        return bought, sum(self.left(o, states) for o in these) - bought

    def exposures(self, states: dict[str, str]) -> dict[str, int]:
        """Gross of each manager and of the firm, net both ways, and of each symbol both ways, all at the worst."""
        found = dict.fromkeys([*self.pms.values(), "gross", "long", "short"], 0)
        for account, pm in self.pms.items():
            for symbol, mark in self.marks.items():
                shares = self.position(account, symbol)
                bought, sold = self.open_shares(account, symbol, states)
                worst = max(abs(shares + bought), abs(shares - sold)) * mark
                for name, value in (
                    (pm, worst),
                    ("gross", worst),
                    ("long", (shares + bought) * mark),
                    ("short", (sold - shares) * mark),
                    (f"{symbol} long", (shares + bought) * mark),
                    (f"{symbol} short", (sold - shares) * mark),
                ):
                    found[name] = found.get(name, 0) + value
        return found

    def refusals(self, order: NewOrder, states: dict[str, str]) -> set[str]:
        """Codes of the limits that an order would pass."""
        pm, buys = self.pms[order.account], order.side is Side.BUY
        shares, (_, sold) = (
            self.position(order.account, order.symbol),
            self.open_shares(order.account, order.symbol, states),
        )
        cash = self.money(order.account) - self.reserved(order.account, states)
        found = set()
        if buys and order.quantity * (order.limit + FEE) > cash:
            found.add("cash")
        if order.side is Side.SELL and order.quantity > shares - sold:
            found.add("position")
        before = self.exposures(states)
        self.orders[order.id], states[order.id] = order, "RESERVED"
        after = self.exposures(states)
        del self.orders[order.id], states[order.id]
        way = "long" if buys else "short"
        if after["gross"] > before["gross"]:
            found |= {"capital"} if after[pm] > self.limits["capital"] else set()
            found |= {"gross"} if after["gross"] > self.limits["gross"] else set()
        found |= {"net"} if after[way] > max(self.limits["net"], 0) else set()
        found |= {"single_name"} if after[f"{order.symbol} {way}"] > self.limits["single_name"] else set()
        return found
