"""Whatever desks, venues and faults do in whatever order: shares, money, reservations and limits are right after it."""

import itertools
import os
import tempfile
from dataclasses import replace
from pathlib import Path

from desks import Clock, empty_database
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from order_books import MARK, OPS, order
from order_model import FEE, Model, VenueSide

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms import controls
from quantray.oms.changes import Actor
from quantray.oms.database import Database
from quantray.oms.handing import handed, unsent, unsure
from quantray.oms.hearing import hear, resolve
from quantray.oms.ledger import Account
from quantray.oms.loading import loaded
from quantray.oms.messages import NewOrder
from quantray.oms.replay import replay_database
from quantray.oms.states import ENDED, State
from quantray.oms.submission import cancel, submit

PMS = {"A1": "ann", "A2": "ann", "B1": "bob"}
LIMITS = {"capital": 600 * MARK, "gross": 900 * MARK, "net": 700 * MARK, "single_name": 600 * MARK}
MEMORY = "/dev/shm"
CASH = 400 * MARK
Picks = st.integers(0, 10**6)


def limits_of(name: str) -> list[tuple[str, str, str]]:
    return [("pm", pm, name) for pm in ("ann", "bob")] if name == "capital" else [("firm", "", name)]


class Orders(RuleBasedStateMachine):
    """A gate without its thread, a venue that tells late, twice and in any order, and a model beside both."""

    database = None

    @initialize()
    def set_up(self) -> None:
        # The disk is not under test here, and waiting for it takes most of the time.
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
        path = Path(self.folder.name) / "orders.db"
        path.write_bytes(empty_database())
        self.url = f"sqlite:///{path}"
        self.database = Database(self.url)
        self.clock = Clock()
        self.books = loaded(self.database, self.clock)
        self.model = Model(
            PMS, dict.fromkeys(PMS, CASH), {("A1", "AAA"): 100}, {"AAA": MARK, "BBB": MARK}, dict(LIMITS)
        )
        self.venue: dict[str, VenueSide] = {}
        self.submitted: dict[str, tuple[NewOrder, Actor]] = {}
        self.number = 0
        self.set_limits()

    def set_limits(self) -> None:
        books = self.books
        controls.list_instruments(books, OPS, {"AAA": (100, 1), "BBB": (100, 1)})
        controls.set_marks(books, OPS, self.model.marks)
        for name, pm in PMS.items():
            shares = {symbol: n for (account, symbol), n in self.model.shares.items() if account == name}
            controls.open_account(books, OPS, Account(name, pm, CASH, True), shares)
        firm = {"order_shares": 10**6, "order_value": 10**12, "collar_bps": 20_000, "fee": FEE}
        controls.set_limits(books, OPS, {("firm", "", name): value for name, value in firm.items()})
        for name, value in LIMITS.items():
            controls.set_limits(books, OPS, dict.fromkeys(limits_of(name), value))
        more = {("pm", pm, "rate"): 10**6 for pm in ("ann", "bob")}
        more |= {("account", f"{account}:{symbol}", "locate"): 10**6 for account in PMS for symbol in ("AAA", "BBB")}
        controls.set_limits(books, OPS, more)
        controls.set_session(books, OPS, self.clock.now, self.clock.now.replace(hour=23))
        self.commit()

    def commit(self) -> None:
        self.database.write(self.books.changes.collected(self.books.ledger))

    def states(self) -> dict[str, str]:
        return {name: record.state.value for name, record in self.books.ledger.orders.items()}

    def some(self, names, pick: int) -> str | None:
        names = sorted(names)
        return names[pick % len(names)] if names else None

    # Desks

    @rule(
        size=st.integers(1, 3),
        picks=st.lists(Picks, min_size=9, max_size=9),
        whole=st.booleans(),
        actor=st.sampled_from([OPS, Actor("ann", "ann"), Actor("bob", "bob")]),
    )
    def submit(self, size, picks, whole, actor):
        orders = [self.drawn(*picks[3 * i : 3 * i + 3]) for i in range(size)]
        states, expected = self.states(), []
        kept = dict(self.model.orders)
        for each in orders:
            refused = {"account"} if actor.pm not in (None, PMS[each.account]) else self.model.refusals(each, states)
            if self.books.ledger.switches and refused != {"account"}:
                refused = {"halted"}
            expected.append(refused)
            if not refused:
                self.model.orders[each.id], states[each.id] = each, "RESERVED"
        if whole and any(expected):
            self.model.orders = kept
            expected = [refused or {"basket"} for refused in expected]
        said = submit(self.books, orders, actor, all_or_nothing=whole)
        for each, decision, refused in zip(orders, said, expected, strict=True):
            if actor.pm is not None and refused & {"gross", "net", "single_name"}:
                refused = {*refused, "firm"}  # noqa: PLW2901
            assert decision.accepted == (not refused), (each, decision, refused)
            assert decision.code in (refused or {""}), (each, decision, refused)
            if decision.code != "account":
                self.submitted[each.id] = each, actor
        self.commit()
        if picks[-1] % 3:
            self.hand_over(("arrives", "arrives", "lost") if picks[-1] % 7 == 0 else ("arrives",))

    def drawn(self, a: int, b: int, c: int) -> NewOrder:
        self.number += 1
        account, symbol = sorted(PMS)[a % 3], ("AAA", "BBB")[b % 2]
        record = self.books.ledger.lines.get((account, symbol))
        holds = record is not None and record.shares > record.selling
        sale = Side.SELL if holds else Side.SELL_SHORT
        side = Side.SELL if a % 31 == 7 else (Side.BUY, Side.BUY, sale)[a // 3 % 3]
        return order(f"O{self.number}", 1 + c % 100, account=account, symbol=symbol, side=side, limit=MARK // 100 * 100)

    @precondition(lambda self: self.submitted)
    @rule(pick=Picks)
    def submit_again(self, pick):
        name = self.some(self.submitted, pick)
        given, actor = self.submitted[name]
        before = self.books.changes.chain.seq
        (decision,) = submit(self.books, [given], actor)
        assert decision.accepted == (name in self.model.orders)
        assert self.books.changes.chain.seq == before
        assert submit(self.books, [replace(given, quantity=given.quantity + 1)], actor)[0].code == "duplicate"
        self.commit()

    @precondition(lambda self: self.books.ledger.live)
    @rule(pick=Picks, foreign=st.booleans())
    def cancel(self, pick, foreign):
        name = self.some(self.books.ledger.live, pick)
        pm = PMS[self.model.orders[name].account]
        if foreign:
            try:
                cancel(self.books, name, Actor("eve", "bob" if pm == "ann" else "ann"))
            except InputError:
                return
            raise AssertionError("a stranger canceled it")
        cancel(self.books, name, Actor(pm, pm))
        self.commit()

    # The way out, and back

    @precondition(lambda self: self.books.outgoing)
    @rule(
        fates=st.lists(st.sampled_from(["arrives", "arrives", "arrives", "lost", "never left"]), min_size=3, max_size=3)
    )
    def put_out(self, fates):
        self.hand_over(fates)

    def hand_over(self, fates):
        kept = handed(self.books, sorted(self.books.outgoing), "rest")
        self.commit()
        for out, fate in zip(kept, itertools.cycle(fates), strict=False):
            name = out.order.id
            if fate == "never left":
                unsent(self.books, name, out.action)
            elif fate == "arrives" and out.action == "new":
                self.venue[name] = VenueSide(out.order)
                self.venue[name].tell("acked")
            elif fate == "arrives" and name in self.venue:
                self.venue[name].end(State.CANCELED)
        self.commit()

    @precondition(lambda self: self.venue)
    @rule(
        acts=st.lists(
            st.tuples(Picks, st.sampled_from(["fill", "fill", "fill", "bust", "correct", "end"]), st.integers(1, 60)),
            min_size=1,
            max_size=6,
        ),
        picks=st.lists(Picks, max_size=10),
    )
    def venue_acts(self, acts, picks):
        for pick, what, quantity in acts:
            self.number += 1
            side, name = self.venue[self.some(self.venue, pick)], f"E{self.number}"
            if what == "fill":
                side.fill(name, quantity, (9_000 + pick % 1_000) * 100)
            elif what == "end":
                side.end((State.CANCELED, State.EXPIRED, State.REJECTED)[pick % 3])
            else:
                side.amend(name, what, quantity)
        self.deliver(picks)

    @precondition(lambda self: self.venue)
    @rule(picks=st.lists(Picks, min_size=1, max_size=10))
    def tell(self, picks):
        self.deliver(picks)

    def deliver(self, picks):
        """What was said at any time, in any order, and again."""
        said = [report for side in self.venue.values() for report in side.said]
        reports = [said[pick % len(said)] for pick in picks]
        self.hear(reports)
        hear(self.books, reports)
        self.commit()

    def hear(self, reports):
        for report in reports:
            if report.exec_id and self.books.ledger.orders[report.order].route is not None:
                self.model.heard.setdefault(report.exec_id, report)

    @precondition(lambda self: self.books.ledger.live)
    @rule(pick=Picks)
    def doubt(self, pick):
        unsure(self.books, self.some(self.books.ledger.live, pick), "no answer")
        self.commit()

    def doubtful(self):
        return [name for name, record in self.books.ledger.live.items() if record.state is State.UNKNOWN]

    @precondition(doubtful)
    @rule(pick=Picks)
    def ask(self, pick):
        self.settle(self.some(self.doubtful(), pick))

    def settle(self, name):
        side = self.venue.get(name)
        known = None if side is None else side.known()
        if known is not None:
            self.hear(known.executions)
        state = resolve(self.books, name, known)
        assert state not in (State.SENT, State.UNKNOWN), (state, known, self.books.ledger.orders[name])
        self.commit()

    # Operations

    @rule(what=st.sampled_from(["mark", "transfer", "switch", *LIMITS]), pick=Picks, percent=st.integers(50, 150))
    def operate(self, what, pick, percent):
        model, books = self.model, self.books
        if what == "mark":
            symbol, mark = ("AAA", "BBB")[pick % 2], percent * MARK // 100
            model.marks[symbol] = mark
            controls.set_marks(books, OPS, {symbol: mark})
        elif what == "transfer":
            account, cash = sorted(PMS)[pick % 3], (percent - 100) * MARK
            model.cash[account] += cash
            controls.transfer(books, OPS, account, cash, {}, "subscription")
        elif what == "switch":
            controls.set_switch(books, OPS, "firm", "", on=pick % 4 == 0)
        else:
            value = model.limits[what] = LIMITS[what] * percent // 100
            controls.set_limits(books, OPS, dict.fromkeys(limits_of(what), value))
        self.commit()

    @rule()
    def read_back(self):
        """What is on disk is what is in memory."""
        again = loaded(self.database, self.clock)
        again.recall(self.books.ledger.orders)
        assert seen(again) == seen(self.books)
        self.books = again

    # What holds always

    @invariant()
    def shares_money_and_reservations_are_right(self):
        ledger, states, model = self.books.ledger, self.states(), self.model
        for account in PMS:
            assert ledger.accounts[account].cash == model.money(account)
            assert ledger.accounts[account].reserved == model.reserved(account, states)
            for symbol in model.marks:
                line = ledger.line(account, symbol)
                assert line.shares == model.position(account, symbol)
                assert (line.buying, line.selling) == model.open_shares(account, symbol, states)
        for name, each in model.orders.items():
            assert ledger.orders[name].filled == model.filled(name), each
        exposures = model.exposures(states)
        assert (ledger.gross, ledger.long, -ledger.short) == tuple(exposures[x] for x in ("gross", "long", "short"))
        assert [ledger.gross_of_pm[pm] for pm in ("ann", "bob")] == [exposures[pm] for pm in ("ann", "bob")]

    def teardown(self):
        if self.database is None:
            return
        try:
            self.end_the_day()
            assert replay_database(self.url).findings == ()
        finally:
            self.database.close()
            self.folder.cleanup()

    def end_the_day(self):
        """Everything ends and is heard of: then nothing is set aside, and the venue has what we have."""
        for name in list(self.books.ledger.live):
            cancel(self.books, name, OPS)
        handed(self.books, list(self.books.outgoing), "rest")
        for side in self.venue.values():
            side.end(State.EXPIRED)
        self.commit()
        for name in list(self.books.ledger.live):
            unsure(self.books, name, "the day is over")
            self.settle(name)
        for name, side in self.venue.items():
            self.hear(side.said)
            hear(self.books, side.said)
            assert self.books.ledger.orders[name].filled == side.filled
        self.commit()
        self.shares_money_and_reservations_are_right()
        assert all(record.state in ENDED for record in self.books.ledger.orders.values())
        assert all(account.reserved == 0 for account in self.books.ledger.accounts.values())
        assert self.books.ledger.live == {}


def seen(books):
    """Everything in memory that matters, without what is empty."""
    ledger = books.ledger
    return {
        "accounts": ledger.accounts,
        "instruments": ledger.instruments,
        "lines": {key: line for key, line in ledger.lines.items() if line.shares or line.buying or line.selling},
        "orders": ledger.orders,
        "live": set(ledger.live),
        "limits": ledger.limits,
        "switches": ledger.switches,
        "sums": (ledger.gross, ledger.long, ledger.short, ledger.gross_of_pm["ann"], ledger.gross_of_pm["bob"]),
        "outgoing": books.outgoing,
        "chain": books.changes.chain,
    }


TestOrders = Orders.TestCase
TestOrders.settings = settings(
    max_examples=25,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
