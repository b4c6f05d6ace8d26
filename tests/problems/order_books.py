"""Books in memory, set up by hand, for tests of what the gate decides."""

from datetime import timedelta

from desks import NOON, Clock, full

from quantray.execution.orders import Side
from quantray.oms.audit import Chain
from quantray.oms.books import Books
from quantray.oms.changes import Actor, Changes
from quantray.oms.controls import list_instruments, open_account, set_limits, set_marks, set_session
from quantray.oms.executions import Executions
from quantray.oms.handing import handed
from quantray.oms.hearing import hear
from quantray.oms.ledger import Account, Ledger
from quantray.oms.messages import NewOrder, Report, ReportKind
from quantray.oms.states import State
from quantray.oms.submission import submit

OPS, ANN, BOB = Actor("ops"), Actor("ann", "ann"), Actor("bob", "bob")

MARK = 1_000_000
"""100.0000 a share."""

LIMITS = {
    ("firm", "", "order_shares"): 10_000,
    ("firm", "", "order_value"): 10**10,
    ("firm", "", "collar_bps"): 500,
    ("firm", "", "fee"): 100,
    ("firm", "", "gross"): 10**12,
    ("firm", "", "net"): 10**12,
    ("firm", "", "single_name"): 10**12,
    ("pm", "ann", "capital"): 10**12,
    ("pm", "ann", "rate"): 1000,
    ("pm", "bob", "capital"): 10**12,
    ("pm", "bob", "rate"): 1000,
    ("account", "A1:AAA", "locate"): 500,
}


def empty_books() -> Books:
    """Books without anything: no account, no symbol, no limit."""
    return Books(Ledger(), Changes(Chain()), Executions(), Clock())


def small_books(**limits: int) -> Books:
    """Two managers with an account each, and limits that are far away but for those given as ``firm_gross=5``."""
    books = empty_books()
    list_instruments(books, OPS, {"AAA": (100, 1), "BBB": (100, 10)})
    set_marks(books, OPS, {"AAA": MARK, "BBB": MARK})
    open_account(books, OPS, Account("A1", "ann", 10**10, True), {"AAA": 1_000})
    open_account(books, OPS, Account("A2", "ann", 10**10), {})
    open_account(books, OPS, Account("B1", "bob", 10**10), {})
    set_limits(books, OPS, LIMITS)
    set_session(books, OPS, NOON - timedelta(hours=3), NOON + timedelta(hours=4))
    for name, value in limits.items():
        limit(books, name, value)
    return books


def limit(books: Books, name: str, value: int) -> None:
    """Set ``firm_gross``, ``ann_capital`` or ``A1:AAA_locate``."""
    whose, _, what = name.partition("_")
    scope = "firm" if whose == "firm" else "account" if ":" in whose else "pm"
    set_limits(books, OPS, {(scope, "" if scope == "firm" else whose, what): value})


def order(name: str = "O1", quantity: int = 100, **more: object) -> NewOrder:
    """A purchase of AAA at the mark for A1."""
    given = {"account": "A1", "symbol": "AAA", "side": Side.BUY, "limit": MARK} | more
    for other in ("parent", "replaces"):
        if given.get(other):
            given[other] = full(given[other], given["account"])
    return NewOrder(id=full(name, given["account"]), quantity=quantity, **given)


def sell(name: str = "O1", quantity: int = 100, **more: object) -> NewOrder:
    return order(name, quantity, side=Side.SELL, **more)


def short(name: str = "O1", quantity: int = 100, **more: object) -> NewOrder:
    return order(name, quantity, side=Side.SELL_SHORT, **more)


def code(books: Books, *orders: NewOrder, actor: Actor = OPS) -> str:
    """The code of the last order; those before it must be accepted."""
    *before, last = submit(books, orders, actor)
    assert all(decision.accepted for decision in before), before
    return last.code


def sent(books: Books, *names: str) -> None:
    """Hand over what waits of some orders, or of all."""
    handed(books, [n for n, out in books.outgoing.items() if not names or out.order.id in map(full, names)], "rest")


def state(books: Books, name: str = "O1") -> State:
    return books.ledger.orders[full(name)].state


def says(kind: str, name: str = "O1", **more: object) -> Report:
    return Report(kind=ReportKind(kind), order=full(name), venue="NYSE", **more)


def fill(quantity: int, name: str = "O1", exec_id: str = "F1", price: int = MARK, **more: object) -> Report:
    return says("fill", name, exec_id=exec_id, quantity=quantity, price=price, **more)


def acked(books: Books, *names: str) -> None:
    """Hand some orders over, and let their venue have them."""
    sent(books, *names)
    hear(books, [says("acked", name) for name in names])


def books_at_venue() -> Books:
    """Small books with the order O1 of 100 shares at its venue."""
    books = small_books()
    assert code(books, order()) == ""
    acked(books, "O1")
    return books


def free(books: Books) -> bool:
    """Nothing is set aside."""
    lines = books.ledger.lines.values()
    return not any(it.reserved for it in books.ledger.accounts.values()) and not any(
        line.buying or line.selling for line in lines
    )


def alerts(books: Books) -> list[str]:
    """The kinds of those of this group."""
    return [alert.kind for alert in books.alerts]
