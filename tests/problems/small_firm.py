"""A gate with two managers who both hold and trade, and the service before it, for tests of who sees what."""

import tempfile
from functools import cache
from itertools import count
from pathlib import Path

from desks import OPS, empty_database, set_up
from small_service import Service, keys_of_all

from quantray.execution.orders import Side
from quantray.institution.facts import NameFacts
from quantray.oms.block_records import Block
from quantray.oms.blocks import allocate_block, place_block
from quantray.oms.changes import Actor
from quantray.oms.controls import open_account, restrict, set_limits, set_session
from quantray.oms.door import Door
from quantray.oms.gate import Gate
from quantray.oms.handing import handed
from quantray.oms.hearing import hear
from quantray.oms.ledger import Account
from quantray.oms.messages import MONEY, NewOrder, Report, ReportKind
from quantray.oms.reference import set_facts
from quantray.oms.submission import submit
from quantray.serving.auth import KeyRing

SECRETS = ("bob", "B1", "7331", "7,331", "CCC")
"""Of bob, who alone holds and trades CCC; nothing that ann reads has one of these."""


PEOPLE = (
    ("ann", "trade", "ann"),
    ("bob", "trade", "bob"),
    ("rita", "risk", None),
    ("omar", "risk", None),
    ("olga", "operations", None),
)


class SmallFirm:
    """Ann has A1 and A2, bob has B1; rita and omar watch over risk, olga is in operations. ``close`` it."""

    def __init__(self, **settings):
        self._folder = tempfile.TemporaryDirectory(prefix="firm-")
        folder = Path(self._folder.name)
        keys = _made(folder)
        self.url = f"sqlite:///{folder / 'orders.db'}"
        self.gate = Gate(self.url)
        self.door = Door(self.gate, folder / "door")
        orders = {"database": self.url, "door": str(folder / "door")}
        self.service = Service(folder, keys, orders=orders, failures_per_minute=1_000_000, **settings)
        self._numbers = count(1)

    def close(self):
        self.service.http.close()
        self.door.close()
        self.gate.close()
        self._folder.cleanup()

    def ask(self, key, method, path, content=None, **headers):
        signed = self.service.signed(key) | headers
        return self.service.http.request(method, path, json=content, headers=signed)

    def get(self, path, key="ann", **headers):
        return self.ask(key, "GET", path, **headers)

    def order(self, **more):
        """What ann sends to buy 10 AAA, under an id that nobody used."""
        given = {"id": f"n{next(self._numbers)}", "account": "A1", "symbol": "AAA", "side": "buy", "quantity": 10}
        return given | {"limit": 50} | more


def _made(folder):
    """Database and keys in a folder, made once and copied from then on; the keys by name."""
    content, keys = _prepared()
    (folder / "keys").mkdir()
    for name, held in content.items():
        (folder / name).write_bytes(held)
        (folder / name).chmod(0o600)
    return dict(keys)


@cache
def _prepared():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "orders.db").write_bytes(empty_database())
        with Gate(f"sqlite:///{folder / 'orders.db'}") as gate:
            gate.do(_begin)
        ring = KeyRing(folder / "keys")
        keys = keys_of_all(ring)
        for who, scope, pm in PEOPLE:
            keys[who] = ring.create(who, [scope], pm=pm).text
        names = ("orders.db", "keys/keys.json", "keys/pepper")
        return {each: (folder / each).read_bytes() for each in names}, keys


def _begin(books):
    set_up(books)
    now = books.clock()
    set_session(books, OPS, now.replace(year=now.year - 1), now.replace(year=now.year + 1))
    open_account(books, OPS, Account("A2", "ann", 500_000 * MONEY), {})
    set_facts(books, OPS, {"AAA": NameFacts(sector="Tech"), "CCC": NameFacts(sector="Energy")})
    set_limits(books, OPS, {("account", "B1:CCC", "locate"): 7331, ("account", "A1:BBB", "locate"): 50})
    restrict(books, OPS, "BBB", on=True, account="B1")
    _trade(books, Actor("ann", "ann"), "A1", "AAA", 100, {"A1": 30, "A2": 10})
    _trade(books, Actor("bob", "bob"), "B1", "CCC", 7331, {"B1": 10})


def _trade(books, actor, account, symbol, quantity, demands):
    """One order that filled a money above its price, one that is open, and a block that was allocated."""
    given = {"account": account, "symbol": symbol, "side": Side.BUY, "limit": 50 * MONEY}
    orders = [NewOrder(id=f"{account}/1", quantity=quantity, **given), NewOrder(id=f"{account}/2", quantity=3, **given)]
    assert all(decision.accepted for decision in submit(books, orders, actor))
    _fill(books, f"{account}/1", quantity)
    block = f"{actor.pm}.block/1"
    side = {"symbol": symbol, "side": Side.BUY, "limit": 50 * MONEY}
    assert place_block(books, actor, Block(id=block, demands=demands, **side)).accepted
    part = NewOrder(id=f"{block}-1", account=f"{actor.pm}.block", quantity=sum(demands.values()), parent=block, **side)
    assert submit(books, [part], actor)[0].accepted
    _fill(books, part.id, part.quantity)
    allocate_block(books, actor, block)


def _fill(books, name, quantity):
    handed(books, [out.seq for out in books.outgoing.values() if out.order.id == name], "rest")
    said = {"exec_id": name, "quantity": quantity, "price": 49 * MONEY, "filled": quantity, "fee": 50}
    hear(books, [Report(kind=ReportKind.FILL, order=name, venue="NYSE", time="2026-03-02T17:00:00Z", **said)])
