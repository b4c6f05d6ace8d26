"""The same answers in the gate's process and through its door."""

from dataclasses import replace

import pytest
from desks import ANN, OPS, buy, gate_at

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.institution.allocation import LeftOut, Rule
from quantray.oms.block_records import Block, BlockDecision, Share
from quantray.oms.desk import LocalDesk, Parent
from quantray.oms.door import Door, RemoteDesk
from quantray.oms.handing import handed
from quantray.oms.hearing import hear
from quantray.oms.messages import MONEY, Report, ReportKind
from quantray.oms.states import State

PARENT = Parent("A1/p", "A1", "AAA", Side.BUY, 300)


@pytest.fixture(params=["local", "remote"])
def desk(request, tmp_path):
    with gate_at(tmp_path) as gate:
        if request.param == "local":
            yield gate, LocalDesk(gate, OPS)
            return
        door, remote = Door(gate, tmp_path / "door"), RemoteDesk(tmp_path / "door")
        yield gate, remote
        remote.close()
        door.close()


def test_orders_children_and_fills(desk):
    gate, desk = desk
    desk.add_parents([PARENT])
    desk.add_parents([PARENT])
    decided = desk.submit([buy("A1/p-0", parent="A1/p"), buy("A1/p-1", 10**6, parent="A1/p"), buy("A1/other")])
    assert [(each.accepted, each.code) for each in decided] == [(True, ""), (False, "size"), (True, "")]
    fill = Report(kind=ReportKind.FILL, order="A1/p-0", venue="NYSE", exec_id="E1", quantity=60, price=50 * MONEY)
    bust = Report(kind=ReportKind.BUST, order="A1/p-0", venue="NYSE", exec_id="E3", refers="E2")
    other = Report(kind=ReportKind.FILL, order="A1/p-0", venue="NYSE", exec_id="E2", quantity=40, price=50 * MONEY)
    gate.do(lambda books: handed(books, list(books.outgoing), "rest"))
    gate.do(lambda books: hear(books, [fill, other, bust]))
    found = {child.id: (child.state, child.quantity, child.filled) for child in desk.children(["A1/p"])}
    assert found == {"A1/p-0": (State.FILLED, 100, 60), "A1/p-1": (State.REJECTED, 10**6, 0)}
    assert [(each.exec_id, each.quantity) for each in desk.fills(["A1/p"])] == [("E1", 60)]
    desk.cancel(["A1/p-0", "A1/other"])
    assert gate.do(lambda books: books.ledger.orders["A1/other"].state) is State.CANCEL_PENDING


def test_a_halt_cancels_what_is_open_and_refuses_the_rest(desk):
    gate, desk = desk
    desk.submit([buy("A1/a"), buy("B1/b", account="B1", symbol="BBB")])
    desk.switch("pm", "ann", on=True)
    states = gate.do(lambda books: {name: record.state for name, record in books.ledger.orders.items()})
    assert states == {"A1/a": State.CANCELED, "B1/b": State.RESERVED}
    assert [each.code for each in desk.submit([buy("A1/c"), buy("B1/d", account="B1")])] == ["halted", ""]
    desk.switch("pm", "ann", on=False)
    assert desk.submit([buy("A1/e")])[0].accepted
    with pytest.raises(InputError, match="a kill switch is of the firm, or of a pm"):
        desk.switch("moon", "", on=True)


def test_another_order_of_the_same_id_is_refused(desk):
    _, desk = desk
    desk.add_parents([PARENT])
    with pytest.raises(InputError, match="is another one already"):
        desk.add_parents([Parent("A1/p", "A1", "AAA", Side.BUY, 301)])


def everything_first(demands):
    return dict.fromkeys(demands, 1)


def test_a_block_from_demands_to_shares(desk):
    gate, desk = desk
    rule = Rule(method="custom", function=f"{__name__}:everything_first")
    block = Block(id="ann.block/K1", symbol="AAA", side=Side.SELL, demands={"A1": 1_200}, limit=50 * MONEY, rule=rule)
    left = (LeftOut("A1", 200, "position"),)
    # The function is called at the desk: the gate is given numbers.
    assert desk.place_block(block) == BlockDecision(block="ann.block/K1", accepted=True, quantity=1_000, left_out=left)
    part = buy("ann.block/K1-0", 500, account="ann.block", side=Side.SELL, parent="ann.block/K1")
    assert desk.submit([part])[0].accepted
    with pytest.raises(InputError, match="block 'ann.block/K1' has 1 orders that have not ended"):
        desk.allocate_block("ann.block/K1")
    gate.do(lambda books: handed(books, list(books.outgoing), "rest"))
    fill = Report(
        kind=ReportKind.FILL, order="ann.block/K1-0", venue="NYSE", exec_id="E1", quantity=500, price=50 * MONEY
    )
    gate.do(lambda books: hear(books, [fill]))
    found = desk.allocate_block("ann.block/K1")
    assert (found.symbol, found.side, found.demands, found.left_out) == ("AAA", Side.SELL, {"A1": 1_000}, left)
    assert found.shares == {"A1": Share(500, 500 * 50 * MONEY, 0), "ann.residual": Share(0, 0, 0)}
    assert list(desk.blocks()) == list(desk.blocks(["ann.block/K1", "ann.block/K9"])) == [found]
    assert desk.place_block(replace(block, limit=None)).code == "duplicate"


def test_rules_of_the_desk_are_asked_about_parts_of_blocks(tmp_path):
    with gate_at(tmp_path) as gate:
        desk = LocalDesk(gate, ANN, restrictions=[lambda ledger, order: "sanctioned"])
        refused = desk.place_block(Block(id="ann.block/K1", symbol="AAA", side=Side.BUY, demands={"A1": 10}))
        assert (refused.accepted, refused.code) == (False, "sanctioned")
        assert refused.left_out == (LeftOut("A1", 10, "sanctioned"),)


def test_a_portfolio_manager_sees_their_own(tmp_path):
    with gate_at(tmp_path) as gate:
        bobs = LocalDesk(gate, OPS)
        bobs.add_parents([Parent("B1/p", "B1", "AAA", Side.BUY, 300)])
        assert bobs.submit([buy("B1/b", account="B1", parent="B1/p")])[0].accepted
        assert LocalDesk(gate, ANN).children(["B1/p"]) == []
        with pytest.raises(InputError, match=r"there is no account 'B1' of yours\."):
            LocalDesk(gate, ANN).add_parents([Parent("B1/p", "B1", "BBB", Side.BUY, 1)])


def test_parts_are_parts_of_orders_of_the_same_account_symbol_and_side(desk):
    _, desk = desk
    desk.add_parents([PARENT])
    decided = desk.submit(
        [
            buy("A1/1", parent="A1/p"),
            buy("A1/2", parent="q"),
            buy("B1/3", parent="A1/p", account="B1"),
            buy("A1/4", parent="A1/p", symbol="BBB"),
        ]
    )
    assert [each.code for each in decided] == ["", "parent", "malformed", "parent"]


def test_a_switch_of_whom_nobody_knows_is_refused(desk):
    _, desk = desk
    for scope in ("pm", "account", "symbol"):
        with pytest.raises(InputError, match=f"there is no {scope} 'typo' to halt or resume; there are"):
            desk.switch(scope, "typo", on=True)
