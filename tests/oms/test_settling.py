"""Orders settled by hand: where the venue cannot, and nowhere else."""

import pytest
from desks import OPS, Clock, Market, Way, buy, gate_at, listening

from quantray.errors import InputError
from quantray.oms.changes import Actor
from quantray.oms.handing import handed, unsure
from quantray.oms.messages import MONEY, VenueOrder
from quantray.oms.reconcile import ask
from quantray.oms.replay import replay_database
from quantray.oms.settling import Settlement, settle
from quantray.oms.states import State

OPERATOR = Actor("uid 7")
PRICE = 50 * MONEY


class Desk:
    """A gate whose order ``a`` of 100 shares is in doubt at a venue that counts fills which it never lists."""

    def __init__(self, folder, told, clock):
        self.gate = gate_at(folder, clock, told=told.extend)
        self.market = Market(fill=lambda order: 40)
        self.way = listening(self.gate, Way(self.market))
        self.gate.submit([buy("A1/a"), buy("A1/b")], OPS)
        for out in self.gate.do(lambda books: handed(books, list(books.outgoing), "rest")):
            self.way.send(out.order)
        self.way.deliver()
        self.gate.do(lambda books: unsure(books, "A1/a", "no answer"))

    def counts(self, filled, state=State.CANCELED):
        """From here on the venue counts so many filled, and lists what it had."""
        listed = self.market.status("A1/a", void=False).executions
        self.way.status = lambda order, *, void: VenueOrder(order, state, filled, listed)

    def settle(self, filled, price=PRICE, reason="the venue's statement of 2 March", order="A1/a"):
        given = Settlement(order=order, filled=filled, price=price, reason=reason)
        return settle(self.gate, {"rest": self.way}, OPERATOR, given)

    def record(self):
        return self.gate.do(lambda books: books.order("A1/a"))

    def cash(self):
        return self.gate.do(lambda books: books.ledger.accounts["A1"].cash) - 1_000_000 * MONEY


@pytest.fixture
def told():
    return []


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def desk(tmp_path, told, clock):
    desk = Desk(tmp_path, told, clock)
    yield desk
    desk.gate.close()
    assert replay_database(f"sqlite:///{tmp_path / 'orders.db'}").findings == ()


def test_what_the_venue_counts_and_never_lists_is_booked_by_hand(desk, told):
    desk.counts(60)
    assert ask(desk.gate, {"rest": desk.way}, ["A1/a"]) == 0
    assert desk.record().state is State.UNKNOWN
    assert desk.settle(60, 49 * MONEY) is State.CANCELED
    assert (desk.record().filled, desk.record().remaining) == (60, 0)
    # The 40 of each order that it listed, and the 20 that it did not.
    assert desk.cash() == -80 * PRICE - 20 * 49 * MONEY
    assert {alert.kind for alert in told} == {"break"}


def test_it_is_a_row_with_actor_and_reason_and_another_gate_knows(desk, tmp_path):
    desk.counts(100, State.FILLED)
    assert desk.settle(100) is State.FILLED
    desk.gate.close()
    desk.gate = gate_at(tmp_path)
    assert desk.record().filled == 100
    # The venue lists it after all: it is not booked beside what stands for it.
    desk.way = listening(desk.gate, Way(desk.market))
    desk.market.trade("A1/a", 60)
    desk.way.deliver()
    assert desk.record().filled == 100


def test_who_settled_it_may_say_it_better(desk):
    desk.counts(60)
    desk.settle(60, 49 * MONEY)
    assert desk.settle(70, 48 * MONEY, "a trade of 30") is State.CANCELED
    assert desk.cash() == -80 * PRICE - 30 * 48 * MONEY
    assert desk.settle(40, None, "there was none") is State.CANCELED
    assert (desk.cash(), desk.record().filled) == (-80 * PRICE, 40)
    # Nothing stands for what the venue may list now.
    with pytest.raises(InputError, match="order A1/a is CANCELED with 40 filled; nothing is in doubt"):
        desk.settle(50)


def test_what_was_lost_with_its_venue_is_ended(desk):
    desk.way.status = lambda order, *, void: None
    assert desk.settle(40, None) is State.CANCELED
    assert desk.cash() == -80 * PRICE


def test_where_the_venue_settles_it_its_answer_counts(desk):
    with pytest.raises(InputError, match="order A1/a has answered: it is PARTIAL, 40 filled; cancel it"):
        desk.settle(60)
    assert (desk.record().state, desk.record().filled) == (State.PARTIAL, 40)
    desk.counts(40)
    with pytest.raises(InputError, match="order A1/a is CANCELED with 40 filled; nothing is in doubt"):
        desk.settle(60)


def test_a_silent_venue_may_answer_until_the_session_is_over(desk, clock):
    desk.way.up = False
    with pytest.raises(InputError, match="the venue of order A1/a may answer yet .*settle it after the session"):
        desk.settle(60)
    clock.forward(hours=5)
    assert desk.settle(60) is State.CANCELED


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"filled": 30}, "has 40 filled, and cannot have 30; what was booked is taken back by its venue's busts"),
        ({"filled": 101}, "of 100 shares has 40 filled, and cannot have 101"),
        ({"filled": 60, "price": None}, "20 shares are to be booked; give a price of each"),
        ({"filled": 60, "price": 0}, "give a price"),
        ({"filled": 40}, "0 shares are to be booked; give a price of each, or none where there are none"),
        ({"filled": 60, "reason": ""}, "give a reason of up to 500 letters"),
        ({"filled": 60, "order": "z"}, "there is no order 'z'"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(desk, given, said):
    desk.counts(60)
    with pytest.raises(InputError, match=said):
        desk.settle(**given)
    assert (desk.record().state, desk.record().filled) == (State.UNKNOWN, 40)


def test_what_was_never_sent_is_cancelled_instead(desk):
    desk.gate.submit([buy("A1/c")], OPS)
    with pytest.raises(InputError, match="order A1/c was never sent; cancel it"):
        desk.settle(0, None, order="A1/c")
