"""What each kind of row does to what stands, and what it may not do."""

from collections.abc import Callable, Mapping

from quantray.oms.replaying.approvals import decision, proposal
from quantray.oms.replaying.blocks import allocation, block, within_block
from quantray.oms.replaying.bounds import price_set_aside, reduces, within
from quantray.oms.replaying.findings import Findings
from quantray.oms.replaying.firm import hold_against
from quantray.oms.replaying.lines import Row, written
from quantray.oms.replaying.standing import Execution, Instrument, Owner, Placed, Standing
from quantray.oms.states import ALLOWED, ENDED, State

__all__ = ["happen"]


def happen(now: Standing, row: Row, findings: Findings) -> None:
    """Take a row into account; what it may not do, and what cannot be read of it, are findings."""
    step = _STEPS.get(row.kind)
    if step is None:
        findings.add("form", f"rows of kind {row.kind!r} are not known to this reader")
        return
    try:
        step(now, row, findings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        findings.add("form", f"{row.kind} {row.entity} cannot be read: {type(error).__name__} {error}")


def _account(now: Standing, row: Row, findings: Findings) -> None:
    body = row.body
    if row.entity in now.owners:
        findings.add("account", f"{row.entity} was opened before")
    now.owners[row.entity] = Owner(body["pm"], body["cash"], body["may_short"])
    for symbol, shares in body["shares"].items():
        now.change(row.entity, symbol, shares, 0, 0)


def _transfer(now: Standing, row: Row, findings: Findings) -> None:
    now.owners[row.entity].cash += row.body["cash"]
    for symbol, shares in row.body["shares"].items():
        now.change(row.entity, symbol, shares, 0, 0)


def _instruments(now: Standing, row: Row, findings: Findings) -> None:
    for symbol, (tick, lot) in row.body.items():
        it = now.instruments.setdefault(symbol, Instrument(tick, lot))
        it.tick, it.lot = tick, lot


def _marks(now: Standing, row: Row, findings: Findings) -> None:
    for symbol, price in row.body.items():
        now.mark(symbol, price)


def _limit(now: Standing, row: Row, findings: Findings) -> None:
    body = row.body
    now.limits[body["scope"], body["key"], body["name"]] = body["value"]
    now.firm.limit(now, body["scope"], body["name"])


def _document(now: Standing, row: Row, findings: Findings) -> None:
    kind, name, body = row.body["kind"], row.body["name"], row.body["body"]
    if body is None:
        del now.documents[kind, name]
    else:
        now.documents[kind, name] = written(body)
    now.firm.document(now, kind, name, body)
    now.rulings.document(now, row, findings)


def _switch(now: Standing, row: Row, findings: Findings) -> None:
    _listed(now.switches, (row.body["scope"], row.body["key"]), on=row.body["on"])


def _permission(now: Standing, row: Row, findings: Findings) -> None:
    now.owners[row.entity].may_short = row.body["may_short"]


def _restriction(now: Standing, row: Row, findings: Findings) -> None:
    _listed(now.restrictions, (row.body["account"], row.body["symbol"]), on=row.body["on"])


def _session(now: Standing, row: Row, findings: Findings) -> None:
    now.opens, now.closes = row.body["opens"], row.body["closes"]


def _parent(now: Standing, row: Row, findings: Findings) -> None:
    if row.entity in now.parents:
        findings.add("parent", f"{row.entity} was there before")
    now.parents[row.entity] = tuple(row.body[name] for name in ("account", "symbol", "side", "quantity", "schedule"))
    _by_whom(row, now.owners[row.body["account"]].pm, findings)


def _order(now: Standing, row: Row, findings: Findings) -> None:
    body, state = row.body, _STATE[row.body["to"]]
    order = Placed(
        body["account"],
        body["pm"],
        body["symbol"],
        body["side"],
        body["quantity"],
        body["limit"],
        body["tif"],
        body["venue"],
        body["parent"],
        body["replaces"],
        state,
        body["code"],
        body["price"],
    )
    if row.entity in now.orders:
        findings.add("order", f"{row.entity} was there before")
    if not row.entity.startswith(f"{order.account}/"):
        findings.add("order", f"{row.entity} is for {order.account}, whose ids begin with {order.account}/")
    _step(_STATE[body["from"]], State.NEW, state, findings)
    if now.owners[order.account].pm != order.pm:
        findings.add("order", f"{row.entity} of {order.pm} is for {order.account}, which is another's")
    _by_whom(row, order.pm, findings)
    if (state is State.REJECTED) != bool(order.code):
        findings.add("order", f"{row.entity} is {state} with the code {order.code!r}")
    now.orders[row.entity] = order
    if state is State.RESERVED:
        _accept(now, order, row, findings)


def _accept(now: Standing, order: Placed, row: Row, findings: Findings) -> None:
    needed = price_set_aside(now, order) if order.is_purchase else 0
    if order.price != needed:
        findings.add("price", f"{order.price:,} a share is set aside for {row.entity}, not {needed:,}")
    before = now.holding(order.account, order.symbol).extent()
    order.news = 1
    measured = now.firm.measures(now, order)
    now.hold(order)
    within(now, order, row, before, findings)
    within_block(now, order, row.entity, findings)
    if reduces(now, order):
        return
    grown = now.holding(order.account, order.symbol).extent() > before
    now.rulings.hold_against(now, order, row.time[:10], findings, grown=grown)
    if measured is not None:
        hold_against(now, order, measured, findings, grown=grown, sums=now.firm)


def _state(now: Standing, row: Row, findings: Findings) -> None:
    order, to = now.orders[row.entity], _STATE[row.body["to"]]
    _step(_STATE[row.body["from"]], order.state, to, findings)
    _by_whom(row, order.pm, findings)
    if to is State.SENT:
        if order.route is not None or not row.body["route"]:
            findings.add("route", f"{row.entity} goes by {row.body['route']!r} and went by {order.route!r}")
        order.route = row.body["route"]
        _bounded(now, order, row, findings)
    elif to is State.RESERVED:
        order.route = None
        order.news += 1
    elif to is State.CANCEL_PENDING:
        order.cancels += 1
    order.state = to
    now.hold(order)


def _bounded(now: Standing, order: Placed, row: Row, findings: Findings) -> None:
    """A purchase at the market left with a limit, which with its fee is within what is set aside."""
    # Logs of before there was one do not have it.
    limit, fee = row.body.get("limit"), now.limits.get(("firm", "", "fee"), 0)
    if limit is None:
        return
    if order.limit is not None or not order.is_purchase:
        findings.add("price", f"{row.entity} left with the limit {limit:,}, and is no purchase at the market")
    elif limit + fee > order.price:
        findings.add("price", f"{row.entity} left with the limit {limit:,} and the fee {fee:,}, beyond {order.price:,}")


def _execution(now: Standing, row: Row, findings: Findings) -> None:
    body = row.body
    key = body["venue"], body["exec_id"]
    given = Execution(
        body["order"],
        body["kind"],
        body["refers"],
        body["quantity"],
        body["price"],
        body["fee"],
        body["time"],
        row.seq,
    )
    order = now.orders[given.order]
    if key in now.executions:
        findings.add("execution", f"{' '.join(key)} was booked before, at row {now.executions[key].seq:,}")
        return
    if order.route is None:
        findings.add("execution", f"{' '.join(key)} is of {given.order}, which was never handed over")
    _book(now, order, key, given, findings)
    if key[0] == _BY_HAND and now.settled.get(given.order) != (order.filled, given.price if given.quantity else None):
        findings.add("settlement", f"{given.order} has {order.filled:,} filled by hand, and nobody said that it had")
    to = _after(order)
    if _STATE[body["from"]] is not order.state or _STATE[body["to"]] is not to:
        findings.add(
            "transition",
            f"{given.order} goes from {body['from']} to {body['to']}, and should from {order.state} to {to}",
        )
    order.state = _STATE[body["to"]]
    now.hold(order)


def _book(now: Standing, order: Placed, key: tuple[str, str], given: Execution, findings: Findings) -> None:
    """Take back what an execution amends, and book what is true now."""
    fill = _about(now, key, given)
    was = _word(now, fill)
    if given.kind != "fill" and was is not None and was.kind == "bust" and given.time >= was.time:
        findings.add("execution", f"{' '.join(key)} amends {' '.join(fill)}, which was busted at row {was.seq:,}")
    now.executions[key] = given
    about = key[0], given.refers, given.order
    # Of two that amend the same, the later one counts, whichever was booked first.
    if given.kind != "fill" and (about not in now.amendments or now.amendments[about][1].time <= given.time):
        now.amendments[about] = key, given
    true = _word(now, fill)
    if true == was:
        return
    if was is not None and was.kind != "bust":
        now.trade(order, -was.quantity, was.price, -was.fee)
    if true is not None and true.kind != "bust":
        now.trade(order, true.quantity, true.price, true.fee)


def _about(now: Standing, key: tuple[str, str], given: Execution) -> tuple[str, str]:
    """The fill that it is about in the end, as far as it is known."""
    passed, at = {key}, given
    while at.kind != "fill":
        key = key[0], at.refers
        if key in passed or key not in now.executions:
            break
        passed.add(key)
        at = now.executions[key]
    return key


def _word(now: Standing, fill: tuple[str, str]) -> Execution | None:
    """The last word on a fill, from amendment to amendment of the same order."""
    at = now.executions.get(fill)
    if at is None or at.kind != "fill":
        return None
    order, passed = at.order, {fill}
    while (after := now.amendments.get((*fill, order))) is not None and after[0] not in passed:
        fill, at = after
        passed.add(fill)
    return at


def _after(order: Placed) -> State:
    """Where an order is after an execution: what has ended stays ended, what is in doubt stays so until filled."""
    if order.state in ENDED:
        return order.state
    if order.filled >= order.quantity:
        return State.FILLED
    if order.state in (State.UNKNOWN, State.CANCEL_PENDING):
        return order.state
    return State.PARTIAL if order.filled else State.ACKED


def _refused(now: Standing, row: Row, findings: Findings) -> None:
    if not row.body["code"]:
        findings.add("order", f"{row.entity} was refused without a code")


def _alert(now: Standing, row: Row, findings: Findings) -> None:
    if not row.body["kind"]:
        findings.add("alert", f"of {row.entity} has no kind")


def _settlement(now: Standing, row: Row, findings: Findings) -> None:
    order, body = now.orders[row.entity], row.body
    _by_whom(row, order.pm, findings)
    if not row.actor or not body["reason"]:
        findings.add("settlement", f"{row.entity} was settled by {row.actor or 'nobody'} without a reason")
    if not 0 <= body["filled"] <= order.quantity:
        findings.add(
            "settlement", f"{row.entity} of {order.quantity:,} shares was settled as {body['filled']:,} filled"
        )
    if order.state in ENDED and row.entity not in now.settled:
        findings.add("settlement", f"{row.entity} was settled, and is {order.state} already")
    now.settled[row.entity] = body["filled"], body["price"]


def _unreadable(now: Standing, row: Row, findings: Findings) -> None:
    if not row.body["raw"]:
        findings.add("unreadable", f"what came by {row.body['route']} as {row.body['sequence']:,} was not kept")


def _epoch(now: Standing, row: Row, findings: Findings) -> None:
    if row.body["epoch"] <= now.epoch:
        findings.add("epoch", f"{row.body['epoch']:,} comes after {now.epoch:,}")
    now.epoch = row.body["epoch"]


def _seal(now: Standing, row: Row, findings: Findings) -> None:
    now.seals = max(now.seals, row.body["number"])


def _listed(names: set[tuple[str, str]], name: tuple[str, str], *, on: bool) -> None:
    if on:
        names.add(name)
    else:
        names.discard(name)


def _step(said: State, state: State, to: State, findings: Findings) -> None:
    if said is not state:
        findings.add("transition", f"leaves {said}, and the order is {state}")
    if to not in ALLOWED[state]:
        findings.add("transition", f"an order that is {state} cannot become {to}")


def _by_whom(row: Row, pm: str, findings: Findings) -> None:
    if row.pm not in ("", pm):
        findings.add("actor", f"{row.actor} of {row.pm} acts on {row.entity}, which is of {pm}")


_BY_HAND = "BY HAND"
"""The venue of what somebody booked who knew better than the venue."""
_STATE = dict(State.__members__)

_Step = Callable[[Standing, Row, Findings], None]
_STEPS: Mapping[str, _Step] = {
    "account": _account,
    "alert": _alert,
    "allocation": allocation,
    "block": block,
    "decision": decision,
    "document": _document,
    "epoch": _epoch,
    "execution": _execution,
    "instruments": _instruments,
    "limit": _limit,
    "marks": _marks,
    "order": _order,
    "parent": _parent,
    "permission": _permission,
    "proposal": proposal,
    "refused": _refused,
    "restriction": _restriction,
    "seal": _seal,
    "session": _session,
    "settlement": _settlement,
    "state": _state,
    "switch": _switch,
    "transfer": _transfer,
    "unreadable": _unreadable,
}
