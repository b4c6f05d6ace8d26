"""Blocks from demands to shares: who stays, what is moved, what each gets, and what comes later."""

from dataclasses import replace

import pytest
from desks import full
from order_books import ANN, BOB, MARK, OPS, alerts, code, order, sell, sent, small_books
from order_books import fill as filled_of
from order_books import says as says_of

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.institution.allocation import LeftOut, Rule
from quantray.oms import controls
from quantray.oms.block_records import Block, Share
from quantray.oms.blocks import allocate_block, block_statuses, place_block, reallocate_block
from quantray.oms.hearing import hear
from quantray.oms.ledger import Account
from quantray.oms.messages import NewOrder
from quantray.oms.submission import cancel, submit

FEE = 100
PRICE = MARK + FEE


def block_books(**limits):
    """Small books with a third account of ann's, which holds 500 AAA."""
    books = small_books(**limits)
    controls.open_account(books, OPS, Account("A3", "ann", 5 * 10**6), {"AAA": 500})
    return books


def block(demands, name="B1", side=Side.BUY, **more):
    return Block(
        **({"id": full(name, "ann.block"), "symbol": "AAA", "side": side, "demands": demands, "limit": MARK} | more)
    )


def part(name, quantity, parent="B1", side=Side.BUY, **more):
    given = {"account": "ann.block", "symbol": "AAA", "limit": MARK} | more
    ids = {"id": full(name, "ann.block"), "parent": full(parent, "ann.block") if parent else None}
    return NewOrder(quantity=quantity, side=side, **ids, **given)


def fill(quantity, name="O1", **more):
    return filled_of(quantity, full(name, "ann.block"), **more)


def says(kind, name="O1", **more):
    return says_of(kind, full(name, "ann.block"), **more)


def cash(books, *names):
    return [books.ledger.accounts[name].cash for name in names]


def shares(books, *names, symbol="AAA"):
    lines = books.ledger.lines
    return [lines[name, symbol].shares if (name, symbol) in lines else 0 for name in names]


def traded(books, *fills):
    """Fills of the order O1, after which it ends."""
    sent(books)
    hear(books, fills)
    if books.ledger.orders["ann.block/O1"].remaining:
        cancel(books, "ann.block/O1", ANN)
        hear(books, [says("canceled")])


def test_a_purchase_from_demands_to_shares():
    """250 of 400 at 100 and 101: 3 : 1 of 250 is 187.5 and 62.5, and a draw decides on the last share."""
    books = block_books(firm_order_value=10**12)
    before = cash(books, "A1", "A2")
    placed = place_block(books, ANN, block({"A1": 300, "A2": 100}))
    assert (placed.accepted, placed.quantity, placed.left_out) == (True, 400, ())
    assert cash(books, "A1", "A2", "ann.block") == [before[0] - 300 * PRICE, before[1] - 100 * PRICE, 400 * PRICE]
    assert code(books, part("O1", 400), actor=ANN) == ""
    traded(books, fill(150, fee=30), fill(100, exec_id="F2", price=MARK - 10_000, fee=21))
    found = allocate_block(books, ANN, "ann.block/B1")
    got = found.shares
    assert {got["A1"].shares, got["A2"].shares} in ({187, 63}, {188, 62})
    # 99.60 a share on average, to the unit and without a rest; 51 of fees are 0.204 a share.
    assert got["A1"].amount == got["A1"].shares * 996_000
    assert (got["A1"].fee, got["A2"].fee) == (38, 13)
    assert got["ann.residual"] == Share(0, 0, 0)
    assert cash(books, "ann.block", "ann.residual") == [0, 0]
    assert shares(books, "ann.block", "A2") == [0, got["A2"].shares]
    assert cash(books, "A2") == [before[1] - got["A2"].amount - 13]
    assert sum(cash(books, "A1", "A2")) == sum(before) - 250 * 996_000 - 51
    assert (found.filled, found.amount, found.fee, found.open, found.revision) == (250, 249_000_000, 51, 0, 1)


def test_a_sale_is_capped_by_what_is_held_and_free():
    books = block_books()
    assert code(books, sell("S1", 900)) == ""
    placed = place_block(books, ANN, block({"A1": 300, "A2": 50, "A3": 200}, side=Side.SELL))
    assert placed.quantity == 300
    assert placed.left_out == (LeftOut("A1", 200, "position"), LeftOut("A2", 50, "position"))
    assert shares(books, "A1", "A3", "ann.block") == [900, 300, 300]
    assert code(books, part("O1", 300, side=Side.SELL)) == ""
    traded(books, fill(100, price=MARK + 1, fee=7))
    got = allocate_block(books, ANN, "ann.block/B1").shares
    # A third and two thirds; fees of 7 are 2 1/3 and 4 2/3.
    assert {name: tuple(share) for name, share in got.items()} == {
        "A1": (33, 33 * (MARK + 1), 2),
        "A3": (67, 67 * (MARK + 1), 5),
        "ann.residual": (0, 0, 0),
    }
    assert shares(books, "A1", "A3", "ann.block") == [967, 433, 0]
    assert cash(books, "A1") == [10**10 + 33 * (MARK + 1) - 2]


def test_what_rounding_leaves_is_the_residual_accounts():
    books = block_books()
    place_block(books, ANN, block({"A1": 1, "A2": 1, "A3": 1}, limit=None))
    assert cash(books, "ann.block") == [3 * (1_050_000 + FEE)]
    assert code(books, part("O1", 3)) == ""
    traded(books, fill(1, price=MARK - 100), fill(1, exec_id="F2"), fill(1, exec_id="F3", fee=5))
    # 99.9966 2/3 and a fee of 1 2/3 each.
    assert allocate_block(books, ANN, "ann.block/B1").shares == {
        **dict.fromkeys(("A1", "A2", "A3"), Share(1, 999_967, 2)),
        "ann.residual": Share(0, -1, -1),
    }
    assert cash(books, "A2", "ann.block", "ann.residual") == [10**10 - 999_969, 0, 2]


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda b: controls.set_switch(b, OPS, "account", "A2", on=True), "halted"),
        (lambda b: controls.restrict(b, OPS, "AAA", on=True, account="A2"), "restricted"),
        (lambda b: controls.transfer(b, OPS, "A2", -(10**10) + 100 * PRICE - 1, {}, "out"), "cash"),
    ],
)
def test_who_may_not_is_left_out_and_the_others_trade(prepare, reason):
    books = block_books()
    prepare(books)
    placed = place_block(books, ANN, block({"A1": 300, "A2": 100}))
    assert (placed.quantity, placed.left_out) == (300, (LeftOut("A2", 100, reason),))
    assert cash(books, "ann.block") == [300 * PRICE]
    assert block_statuses(books, ANN)[0].left_out == placed.left_out


def test_rules_that_are_passed_in_are_asked_first():
    books = block_books()

    def no_more_than_200(ledger, order):
        held = ledger.lines.get((order.account, order.symbol))
        return "5 % of assets" if (held.shares if held else 0) + order.quantity > 1_200 else ""

    placed = place_block(books, ANN, block({"A1": 300, "A2": 100}), [no_more_than_200])
    assert placed.left_out == (LeftOut("A1", 300, "5 % of assets"),)


@pytest.mark.parametrize(
    ("actor", "given", "refused"),
    [
        (BOB, block({"A1": 10}), "account"),
        (ANN, block({"A1": 10, "B1": 10}), "account"),
        (OPS, block({"A1": 10, "B1": 10}), "account"),
        (ANN, block({"A9": 10}), "account"),
        (ANN, block({"A1": 10, "ann.residual": 10}), "account"),
        (ANN, block({"A1": 10}, side=Side.SELL_SHORT), "short"),
        (ANN, block({"A1": 10}, symbol="ZZZ"), "symbol"),
        (ANN, block({"A1": 10}, limit=2 * MARK), "collar"),
        (ANN, block({"A1": 10}, limit=MARK + 1), "tick"),
        (ANN, block({"A2": 10}, side=Side.SELL), "position"),
        (ANN, block({"A1": 10}, name="A1/P1"), "malformed"),
        (ANN, block({"A1": 10}, name="bob.block/P1"), "malformed"),
    ],
)
def test_what_is_refused_changes_nothing(actor, given, refused):
    books = block_books()
    controls.add_parent(books, ANN, "A1/P1", "A1", "AAA", Side.BUY, 10, "")
    before = repr(books.ledger)
    decided = place_block(books, actor, given)
    assert (decided.accepted, decided.code, decided.quantity) == (False, refused, 0)
    assert decided.text
    assert repr(books.ledger) == before
    assert not books.blocks.records


def test_a_block_is_placed_and_allocated_once():
    books = block_books()
    given = block({"A1": 30, "A2": 10}, rule=Rule(method="capital", numbers={"A2": 1, "A1": 3, "A3": 9}))
    placed = place_block(books, ANN, given)
    again = replace(given, demands={"A2": 10, "A1": 30}, rule=Rule(method="capital", numbers={"A1": 3, "A2": 1}))
    seen = repr(books.ledger), books.changes.chain.seq
    assert place_block(books, ANN, again) == placed
    assert (repr(books.ledger), books.changes.chain.seq) == seen
    assert place_block(books, ANN, replace(given, limit=MARK - 100)).code == "duplicate"
    assert place_block(books, BOB, replace(given, demands={"B1": 5}, rule=Rule())).code == "malformed"
    first = allocate_block(books, ANN, "ann.block/B1")
    seen = repr(books.ledger), books.changes.chain.seq
    assert allocate_block(books, ANN, "ann.block/B1") == first
    assert (repr(books.ledger), books.changes.chain.seq) == seen
    # None of it was traded: everything went back.
    assert cash(books, "A1", "A2", "ann.block", "ann.residual") == [10**10, 10**10, 0, 0]


def test_a_block_account_trades_parts_of_open_blocks_alone():
    books = block_books()
    place_block(books, ANN, block({"A1": 300, "A2": 100}))
    place_block(books, ANN, block({"A3": 4}, name="B2", limit=MARK - 100))
    assert code(books, part("X1", 10, parent=None)) == "block"
    assert code(books, part("X2", 401)) == "block"
    assert code(books, part("X3", 5, parent="B2")) == "block"
    # B2 put in 99.99 a share, and its parts may not live on what B1 put in.
    assert code(books, part("X4", 4, parent="B2", limit=MARK)) == "block"
    assert code(books, part("X5", 4, parent="B2", limit=MARK - 100)) == ""
    assert code(books, part("X6", 10, symbol="BBB")) == "parent"
    assert code(books, order("X7", 4, parent="B1")) == "parent"
    assert code(books, part("O1", 300), part("O2", 100)) == ""
    assert code(books, part("X8", 1)) == "cash"
    with pytest.raises(InputError, match="block 'ann.block/B1' has 2 orders that have not ended; cancel them, or wait"):
        allocate_block(books, ANN, "ann.block/B1")
    for name in ("ann.block/O1", "ann.block/O2"):
        cancel(books, name, ANN)
    assert code(books, part("O3", 400)) == ""
    cancel(books, "ann.block/O3", ANN)
    allocate_block(books, ANN, "ann.block/B1")
    assert cash(books, "ann.block") == [4 * (PRICE - 100)]
    place_block(books, ANN, block({"A2": 100}, name="B3"))
    assert code(books, part("X9", 1)) == "block"


def test_an_order_at_the_market_is_a_part_as_long_as_the_block_has_the_money():
    books = block_books()
    place_block(books, ANN, block({"A1": 100}, limit=None))
    place_block(books, ANN, block({"A2": 100}, name="B2"))
    controls.set_marks(books, OPS, {"AAA": MARK * 11 // 10})
    assert code(books, part("O1", 100, limit=None)) == "block"
    assert code(books, part("O2", 90, limit=None)) == ""


def test_a_parent_of_a_block_is_what_the_block_says():
    books = block_books()
    place_block(books, ANN, block({"A1": 300}))
    with pytest.raises(InputError, match="order 'ann.block/B1' is not what the block of its id says"):
        controls.add_parent(books, ANN, "ann.block/B1", "ann.block", "AAA", Side.BUY, 299, "")
    with pytest.raises(InputError, match="order 'ann.block/B2' is not what the block of its id says"):
        controls.add_parent(books, ANN, "ann.block/B2", "ann.block", "AAA", Side.BUY, 300, "")
    controls.add_parent(books, ANN, "ann.block/B1", "ann.block", "AAA", Side.BUY, 300, "{}")
    assert code(books, part("O1", 10)) == ""


def test_accounts_for_blocks_are_not_for_anything_else():
    books = block_books()
    place_block(books, ANN, block({"A1": 300}))
    with pytest.raises(InputError, match="what account 'ann.block' holds is of its blocks"):
        controls.transfer(books, OPS, "ann.block", -1, {}, "out")
    for account in (Account("bob.block", "ann", 0), Account("bob.block", "bob", 5)):
        with pytest.raises(InputError, match="has the name of one for blocks, which begin empty"):
            controls.open_account(books, OPS, account, {})
    controls.open_account(books, OPS, Account("bob.block", "bob", 0), {})
    assert place_block(books, BOB, block({"B1": 10}, name="bob.block/B2")).accepted


def test_a_managers_id_leaves_room_for_those_of_the_accounts_for_blocks():
    books = block_books()
    controls.open_account(books, OPS, Account("L1", "l" * 58, 10**10), {})
    before = repr(books.ledger)
    with pytest.raises(InputError, match="needs a shorter id"):
        place_block(books, OPS, block({"L1": 10}))
    assert repr(books.ledger) == before


def filled_and_allocated(side=Side.BUY):
    books = block_books()
    place_block(books, ANN, block({"A1": 60, "A3": 40} if side is Side.SELL else {"A1": 60, "A2": 40}, side=side))
    assert code(books, part("O1", 100, side=side)) == ""
    traded(books, fill(50, fee=5), fill(50, exec_id="F2", fee=5))
    allocate_block(books, ANN, "ann.block/B1")
    return books


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_bust_after_it_was_allocated_is_told_and_shared_out_anew_when_asked_for(side):
    books = filled_and_allocated(side)
    names = ("A1", "A2", "A3")
    held, had = shares(books, *names), cash(books, *names)
    hear(books, [says("bust", exec_id="X1", refers="F2")])
    assert (alerts(books), books.alerts[-1].text) == (
        ["block"],
        "50 shares for 50,000,000 are filled, which is not what was allocated; allocate it anew",
    )
    # Until then it is a difference on the account of blocks, and nobody's shares change.
    assert (shares(books, *names), cash(books, *names)) == (held, had)
    assert shares(books, "ann.block") == [-50 * side.sign]
    assert cash(books, "ann.block") == [side.sign * 50 * MARK + 5]
    with pytest.raises(InputError, match="by operations, with a reason"):
        reallocate_block(books, ANN, "ann.block/B1", "bust", onto="accounts")
    found = reallocate_block(books, OPS, "ann.block/B1", "bust of F2", onto="accounts")
    assert found.revision == 2
    assert tuple(found.shares["A1"]) == (30, 30 * MARK, 3)
    assert shares(books, "A1", "ann.block") == [held[0] - side.sign * 30, 0]
    assert cash(books, "A1", "ann.block", "ann.residual") == [had[0] + side.sign * 30 * MARK + 3, 0, 0]
    seen = books.changes.chain.seq
    assert reallocate_block(books, OPS, "ann.block/B1", "bust of F2", onto="accounts") == found
    assert books.changes.chain.seq == seen


def test_what_an_account_has_no_more_goes_onto_the_residual_account():
    books = filled_and_allocated()
    assert code(books, sell("S1", 40, account="A2")) == ""
    hear(books, [says("bust", exec_id="X1", refers="F2")])
    seen = repr(books.ledger)
    with pytest.raises(InputError, match="account 'A2' has no more the 20 shares or -.* allocate it onto residual"):
        reallocate_block(books, OPS, "ann.block/B1", "bust of F2", onto="accounts")
    assert repr(books.ledger) == seen
    found = reallocate_block(books, OPS, "ann.block/B1", "bust of F2", onto="residual")
    assert found.shares["ann.residual"] == Share(-50, -50 * MARK, -5)
    assert tuple(found.shares["A2"]) == (40, 40 * MARK, 4)
    assert shares(books, "ann.block", "ann.residual", "A2") == [0, -50, 40]
    assert cash(books, "ann.block", "ann.residual") == [0, 50 * MARK + 5]
    assert alerts(books) == ["block", "residual"]


def test_shares_beyond_what_was_wanted_are_the_residual_accounts():
    books = block_books()
    place_block(books, ANN, block({"A1": 60, "A2": 40}))
    assert code(books, part("O1", 100)) == ""
    traded(books, fill(110, fee=11))
    found = allocate_block(books, ANN, "ann.block/B1").shares
    assert found == {"A1": (60, 60 * MARK, 6), "A2": (40, 40 * MARK, 4), "ann.residual": (10, 10 * MARK, 1)}
    assert cash(books, "ann.block", "ann.residual") == [0, -10 * MARK - 1]
    assert "residual" in alerts(books)


def test_only_ones_own_blocks_are_there():
    books = block_books()
    place_block(books, ANN, block({"A1": 300}))
    assert [each.id for each in block_statuses(books, ANN, ["ann.block/B1", "ann.block/B9"])] == ["ann.block/B1"]
    assert block_statuses(books, BOB) == []
    for name in ("ann.block/B1", "ann.block/B9"):
        with pytest.raises(InputError, match=f"there is no block '{name}' of yours"):
            allocate_block(books, BOB, name)
    with pytest.raises(InputError, match="block 'ann.block/B1' was not allocated yet"):
        reallocate_block(books, OPS, "ann.block/B1", "why", onto="accounts")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (block({"A1": 10}, name=""), "lacks an id"),
        (block({}), "needs a positive number of shares for each account"),
        (block({"A1": 0}), "needs a positive number"),
        (block({"A1": 1.5}), "needs a positive number"),
        (block({"A1": 15}, symbol="BBB"), "no whole lots of 10"),
        (block({"A1": 10}, limit=1.5), "the limit 1.5; give whole units"),
        (block({"A1": 10**13}), "is worth more than"),
        (block({"A1": 10}, rule=Rule(method="custom", function="os:getcwd")), "names a function; the gate runs none"),
        (block({"A1": 10}, rule=Rule(method="priority")), "account 'A1' has the priority number None"),
    ],
)
def test_what_is_no_block_is_a_line_and_changes_nothing(given, said):
    books = block_books()
    before = repr(books.ledger), books.changes.chain.seq
    with pytest.raises(InputError, match=said):
        place_block(books, ANN, given)
    assert (repr(books.ledger), books.changes.chain.seq) == before


def odd_share(first, *before):
    """Who gets the one share of two equals in a log of a first row, after some commands."""
    books = block_books()
    books.changes.chain.origin = first
    for command in before:
        command(books)
    place_block(books, ANN, block({"A1": 1, "A2": 1}))
    submit(books, [part("O1", 1)], ANN)
    traded(books, fill(1))
    got = allocate_block(books, ANN, "ann.block/B1").shares
    return "A1" if got["A1"].shares else "A2"


def test_the_draw_among_equals_is_of_a_key_that_nobody_knew():
    """Logs that begin differently draw otherwise; what others do in between changes nothing."""
    firsts = [f"{number:064x}" for number in range(12)]
    assert {odd_share(first) for first in firsts} == {"A1", "A2"}
    for first in firsts[:4]:
        assert odd_share(first) == odd_share(
            first, lambda books: controls.set_limits(books, OPS, {("firm", "", "gross"): 10**12 + 1})
        )
