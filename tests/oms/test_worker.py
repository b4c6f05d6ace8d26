"""A schedule through a day, on a clock that the test moves."""

from datetime import timedelta
from decimal import Decimal

import pytest
from desks import MONEY, NOON, OPS, Clock, Market, Way, buy, gate_at, listening

from quantray.errors import InputError
from quantray.execution.orders import ChildOrder, ExecutionSchedule, Order, Side, read_json, to_json
from quantray.oms.block_records import Block
from quantray.oms.clips import Clips
from quantray.oms.desk import LocalDesk
from quantray.oms.handing import handed, unsure
from quantray.oms.hearing import resolve
from quantray.oms.states import State
from quantray.oms.worker import Worker
from quantray.oms.works import Work, Works

SLICES = (10, 20, 30, 40)
LAST = {"AAA": 52 * MONEY}


def work(quantities=SLICES, algorithm="VWAP", account="A1", **more):
    total = sum(quantities)
    children = tuple(
        ChildOrder(
            id=f"{account}/p-{k}",
            parent=f"{account}/p",
            time=NOON + timedelta(minutes=10 * k),
            quantity=quantity,
            venue="NYSE",
            algorithm=algorithm,
            limit=Decimal("51.00"),
        )
        for k, quantity in enumerate(quantities)
    )
    parent = Order(id=f"{account}/p", symbol="AAA", side=Side.BUY, quantity=total, limit=Decimal("51.00"))
    schedule = ExecutionSchedule(
        parent=parent, algorithm=algorithm, children=children, expected_cost_bps=5.0, risk_bps=20.0
    )
    return Work(account, schedule, 50 * MONEY, **more)


class Day:
    """A gate, a market and a worker, moved on ten minutes at a time, or as many as clips have."""

    def __init__(self, folder, market, work, clips=None):
        self.folder, self.market, self.work, self.clock = folder, market, work, Clock()
        self.clips, self.minutes = clips or Clips(), clips.minutes if clips else 10
        self.open()

    def open(self):
        self.folder.mkdir(exist_ok=True)
        self.gate = gate_at(self.folder, self.clock)
        self.way = listening(self.gate, Way(self.market))
        self.worker = Worker(LocalDesk(self.gate, OPS), [self.work], self.clock, clips=self.clips)

    def step(self, *, kill=False):
        if kill:
            self.killed()
        busy = self.worker.step()
        if kill:
            self.killed()
        for out in self.gate.do(lambda books: handed(books, list(books.outgoing), "rest")):
            (self.way.send if out.action == "new" else self.way.cancel)(out.order)
        self.way.deliver()
        return busy

    def run(self, *, kill=False):
        sent = []
        while self.step(kill=kill):
            self.step(kill=kill)
            sent.append([order.quantity for order, _, _ in self.market.orders.values()])
            self.clock.forward(minutes=self.minutes)
        return sent

    def sent(self):
        """Shares by id."""
        return {name: order.quantity for name, (order, _, _) in self.market.orders.items()}

    def killed(self):
        self.gate.close()
        self.open()


@pytest.fixture
def day(tmp_path):
    days = []

    def make(market, work, clips=None):
        days.append(Day(tmp_path / str(len(days)), market, work, clips))
        return days[-1]

    yield make
    for each in days:
        each.gate.close()


def filling(share):
    return Market(fill=lambda order: int(share * order.quantity))


def test_the_plan_is_kept_where_everything_fills(day):
    it = day(filling(1), work())
    assert it.run()[-1] == list(SLICES)
    found = it.worker.report(LAST)
    assert (found.filled_share, found.planned_bps, found.orders) == (1.0, 5.0, ("A1/p",))
    # Bought at 51 instead of 50.
    assert found.cost_bps == pytest.approx(200.0)
    assert found.shortfall.execution == pytest.approx([100.0])


def test_what_is_left_is_spread_over_the_slices_to_come(day):
    """Half of each slice fills: 5 of 10; 95 left in 2:3:4 gives 21; then 85 in 3:4 gives 36; then all that is left."""
    it = day(filling(0.5), work())
    assert it.run()[-1] == [10, 21, 36, 67]
    found = it.worker.report(LAST)
    assert found.executed.filled == 5 + 10 + 18 + 33
    # The 34 that were missed cost what the price has risen.
    assert found.shortfall.missed == pytest.approx([34 * 2.0])


def test_an_order_that_follows_volume_does_not_catch_up_without_bound(day):
    it = day(filling(0.5), work(algorithm="POV"))
    assert it.run()[-1] == [10, 21, 36, 60]


def test_a_bound_on_a_slice_is_kept(day):
    it = day(filling(1), work(most=(10, 5, 100, 100)))
    assert it.run()[-1] == [10, 5, 36, 49]


def test_a_worker_that_was_killed_goes_on_and_sends_nothing_twice(day):
    it = day(filling(1), work())
    it.step()
    it.clock.forward(minutes=10)
    it.step()
    it.killed()
    it.step()
    assert [order.quantity for order, _, _ in it.market.orders.values()] == [10, 20]
    # A slice was missed meanwhile: what it should have traded goes to the rest.
    it.clock.forward(minutes=20)
    it.step()
    assert [order.quantity for order, _, _ in it.market.orders.values()] == [10, 20, 70]
    assert it.worker.report(LAST).executed.filled == 100


TEN_MINUTES = (10.0,) * 4
CLIPS = Clips(minutes=5, value=1)


def test_slices_are_sent_in_clips_that_sum_to_them(day):
    it = day(filling(1), work(minutes=TEN_MINUTES), CLIPS)
    assert it.run()[-1] == [5, 5, 10, 10, 15, 15, 20, 20]
    assert list(it.sent())[:3] == ["A1/p-0", "A1/p-0.1", "A1/p-1"]
    assert it.worker.report(LAST).filled_share == 1.0


def test_a_worker_killed_before_and_after_every_look_sends_the_same_clips(day):
    runs = [day(filling(0.5), work(minutes=TEN_MINUTES), CLIPS) for _ in range(2)]
    for it, kill in zip(runs, (False, True), strict=True):
        it.run(kill=kill)
    quiet, killed = (it.sent() for it in runs)
    assert quiet == killed
    filled = [it.worker.report(LAST).executed.filled.tolist() for it in runs]
    assert filled[0] == filled[1] <= [100]
    assert len(quiet) == 8


def test_what_a_slice_has_left_is_ended_with_it_and_spread_over_the_clips_to_come(day):
    """Half of each clip fills: 5 and 5 of the first slice, of which 4 filled; 96 over 90 planned make the next 11."""
    it = day(filling(0.5), work(minutes=TEN_MINUTES), CLIPS)
    it.step()
    it.clock.forward(minutes=5)
    it.step()
    assert [state for _, state, _ in it.market.orders.values()] == [State.PARTIAL] * 2
    it.clock.forward(minutes=5)
    assert it.step()
    assert not it.worker.idle
    it.step()
    assert it.sent() == {"A1/p-0": 5, "A1/p-0.1": 5, "A1/p-1": 11}
    it.step()
    assert it.worker.idle


def test_clips_that_were_missed_are_caught_up_within_the_bound(day):
    """POV: three clips were missed; those to come have half as much again, and what is more than that stays undone."""
    it = day(filling(1), work(quantities=(20,) * 4, minutes=TEN_MINUTES, algorithm="POV"), CLIPS)
    it.step()
    it.clock.forward(minutes=20)
    it.killed()
    assert it.run()[-1] == [10, 15, 15, 15, 15]
    free = day(filling(1), work(quantities=(20,) * 4, minutes=TEN_MINUTES), CLIPS)
    free.step()
    free.clock.forward(minutes=30)
    assert free.run()[-1] == [10, 35, 35]


def test_another_cut_after_a_kill_never_trades_more_than_the_order(day):
    it = day(filling(0.5), work(minutes=TEN_MINUTES), CLIPS)
    it.step()
    it.clips = Clips(minutes=2, value=1)
    it.clock.forward(minutes=4)
    it.killed()
    it.minutes = 2
    it.run()
    found = it.worker.report(LAST).executed
    assert found.filled.tolist() <= found.ordered.tolist()
    it.clips = Clips()
    it.killed()
    assert not it.step()


def test_a_block_is_worked_as_any_order_and_allocated_at_the_end(day, tmp_path):
    block = Block(id="ann.block/p", symbol="AAA", side=Side.BUY, demands={"A1": 100}, limit=51 * MONEY)
    (tmp_path / "0").mkdir()
    with gate_at(tmp_path / "0", Clock()) as gate:
        assert LocalDesk(gate, OPS).place_block(block).quantity == 100
    market = filling(0.5)
    market.cash["ann.block"] = 0
    it = day(market, work(account="ann.block"))
    it.step()
    it.killed()
    assert it.run()[-1] == [10, 21, 36, 67]
    (found,) = LocalDesk(it.gate, OPS).blocks()
    assert (found.filled, found.revision, found.shares["A1"].shares) == (66, 1, 66)
    # One that starts again finds nothing to do.
    it.killed()
    assert not it.step()
    assert LocalDesk(it.gate, OPS).blocks() == [found]


def test_what_may_still_fill_is_never_sent_again(day):
    """The first child is lost on the way: until the venue was asked, its shares count as traded."""
    it = day(filling(1), work())
    it.way.fault = lambda order: "before" if order.id == "A1/p-0" else ""
    with pytest.raises(Exception, match="no answer"):
        it.step()
    it.gate.do(lambda books: unsure(books, "A1/p-0", "no answer"))
    while it.step() or it.clock.now < NOON + timedelta(minutes=40):
        it.clock.forward(minutes=10)
        if it.clock.now > NOON + timedelta(minutes=50):
            break
    sent = [order.quantity for order, _, _ in it.market.orders.values()]
    assert sum(sent) == 90
    it.gate.do(lambda books: resolve(books, "A1/p-0", it.way.status("A1/p-0", void=True)))
    assert it.worker.report(LAST).executed.filled == 90


def test_a_part_that_somebody_else_placed_counts_and_is_left_alone(day):
    it = day(filling(0), work())
    it.gate.submit([buy("A1/by hand", 40, parent="A1/p")], OPS)
    it.step()
    it.clock.forward(minutes=10)
    it.step()
    it.clock.forward(minutes=10)
    assert it.step()
    state = it.gate.do(lambda books: books.ledger.orders["A1/by hand"].state)
    # It is open still; what the worker sent before is not, and 60 of 100 are left for the slices.
    assert state is State.ACKED
    assert [order.quantity for order, _, _ in it.market.orders.values()] == [40, 6, 26]
    it.market.trade("A1/by hand", 40)
    it.way.deliver()
    assert it.worker.report(LAST).executed.filled == 40


def test_refusals_are_counted_by_code(day):
    it = day(filling(1), work())
    it.gate.do(lambda books: books.ledger.switches.add(("symbol", "AAA")))
    it.run()
    found = it.worker.report({"AAA": 50 * MONEY})
    assert (found.filled_share, found.cost_bps, dict(found.refused)) == (0, 0, {"halted": 4})
    with pytest.raises(InputError, match="AAA has no last price"):
        it.worker.report({})


def test_work_that_cannot_be_is_refused(day):
    with pytest.raises(InputError, match="positive arrival price"):
        Work("A1", work().schedule, 0)
    with pytest.raises(InputError, match="one bound for each of its 4 children"):
        work(most=(1,))
    it = day(filling(1), work())
    with pytest.raises(InputError, match="two orders have one id"):
        Worker(LocalDesk(it.gate, OPS), [work(), work()], it.clock)


def test_works_are_json_both_ways():
    works = Works(works=(work(), work(most=(1, 2, 3, 4))))
    assert read_json(Works, to_json(works)) == works
    with pytest.raises(InputError, match=r"no Works: works\.0\.account"):
        read_json(Works, to_json(works).replace('"A1"', "1", 1))
