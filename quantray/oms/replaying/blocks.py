"""What rows of blocks do: whether they may, what they move between accounts, and whether nothing of it is lost."""

from quantray.oms.replaying.findings import Findings
from quantray.oms.replaying.lines import Row
from quantray.oms.replaying.parts import nearest, parts
from quantray.oms.replaying.standing import OPEN, Block, Demand, Placed, Standing

__all__ = ["allocation", "block", "within_block"]


def block(now: Standing, row: Row, findings: Findings) -> None:
    """A block is placed: what its accounts need at the worst goes to the account that trades it."""
    body = row.body
    names = ("pm", "account", "symbol", "side", "limit", "price", "lot", "method", "key")
    it = Block(*(body[name] for name in names))
    it.demands = {account: Demand(**demand) for account, demand in body["demands"].items()}
    if row.entity in now.blocks or row.entity in now.parents:
        findings.add("block", f"{row.entity} was there before")
    if row.pm not in ("", it.pm):
        findings.add("actor", f"{row.actor} of {row.pm} places {row.entity}, which is of {it.pm}")
    if it.key != now.origin:
        findings.add("block", f"{row.entity} is drawn by {it.key[:12]}, and the first row has {now.origin[:12]}")
    if it.account != f"{it.pm}.block" or now.owners[it.account].pm != it.pm or it.side not in ("buy", "sell"):
        findings.add("block", f"{row.entity} of {it.pm} is to {it.side} by {it.account}")
    _price(now, it, row, findings)
    _hours(now, it, row, findings)
    now.blocks[row.entity] = it
    for account, demand in it.demands.items():
        _demand(now, it, account, demand, findings)
        cash, shares = it.put_in(account)
        _move(now, it, account, -cash, -shares)


def within_block(now: Standing, order: Placed, name: str, findings: Findings) -> None:
    """What trades by the account of blocks is part of one that is open, and not more than that has."""
    it = now.blocks.get(order.parent or "")
    if it is not None:
        it.parts.append(order)
    elif order.account != f"{order.pm}.block":
        return
    if it is None or it.allocations or (it.account, it.symbol, it.side) != (order.account, order.symbol, order.side):
        findings.add("block", f"{name} is part of {order.parent}, which is no open block of {order.account}")
        return
    shares = sum(part.filled + part.held for part in it.parts)
    if shares > it.quantity:
        findings.add("block", f"parts of {order.parent} come to {shares:,} shares, of which it has {it.quantity:,}")
    money = sum(part.paid + part.fees + part.held * part.price for part in it.parts)
    if it.side == "buy" and money > it.quantity * it.price:
        findings.add("block", f"parts of {order.parent} may cost {money:,}, and it has {it.quantity * it.price:,}")


def allocation(now: Standing, row: Row, findings: Findings) -> None:
    """A block is shared out, or anew: by its rule, at one price, with nothing left."""
    it, body = now.blocks[row.entity], row.body
    shares = {account: (part[0], part[1], part[2]) for account, part in body["shares"].items()}
    if row.pm not in ("", it.pm) or (row.pm and it.allocations):
        findings.add("actor", f"{row.actor} of {row.pm} allocates {row.entity}, which is of {it.pm}")
    if body["revision"] != len(it.allocations) + 1:
        findings.add("allocation", f"{row.entity} has revision {body['revision']:,} after {len(it.allocations):,}")
    if count := sum(part.state in OPEN for part in it.parts):
        findings.add("allocation", f"{row.entity} is allocated while {count:,} orders of it are open")
    filled = [sum(part.filled for part in it.parts)]
    filled += [sum(part.paid for part in it.parts), sum(part.fees for part in it.parts)]
    said = [body["filled"], body["amount"], body["fee"]]
    if filled != said:
        findings.add("allocation", f"{row.entity} has shares, money and fees of {_of(filled)}, and not {_of(said)}")
    _agree(row, shares, _wanted(it, row, *filled), findings)
    before = {account: it.taken(account) for account in shares.keys() | it.demands.keys()}
    it.allocations.append(shares)
    for account, (cash, count) in before.items():
        now_cash, now_count = it.taken(account)
        _move(now, it, account, now_cash - cash, now_count - count)


def _price(now: Standing, it: Block, row: Row, findings: Findings) -> None:
    collar, mark = now.limits.get(("firm", "", "collar_bps"), 0), now.instruments[it.symbol].mark
    highest = -(-mark * (10_000 + collar) // 10_000) if it.limit is None else it.limit
    needed = highest + now.limits.get(("firm", "", "fee"), 0) if it.side == "buy" else 0
    if it.price != needed:
        findings.add("price", f"{it.price:,} a share is put into {row.entity}, not {needed:,}")
    if it.limit is not None and abs(it.limit - mark) * 10_000 > collar * mark:
        findings.add("collar", f"the limit {it.limit:,} of {row.entity} is further than {collar:,} bps from {mark:,}")
    if it.lot != now.instruments[it.symbol].lot:
        findings.add("block", f"{row.entity} has lots of {it.lot:,}, not {now.instruments[it.symbol].lot:,}")


def _hours(now: Standing, it: Block, row: Row, findings: Findings) -> None:
    if not now.opens <= row.time < now.closes:
        findings.add("hours", f"{row.entity} was placed outside {now.opens} to {now.closes}")
    for switch in (("firm", ""), ("pm", it.pm), ("symbol", it.symbol)):
        if switch in now.switches:
            findings.add("switch", f"{row.entity} was placed while {' '.join(switch).strip()} was halted")


def _demand(now: Standing, it: Block, account: str, demand: Demand, findings: Findings) -> None:
    """Who stays may trade, and has what it puts in; who does not has a reason."""
    owner, holding = now.owners[account], now.holdings.get((account, it.symbol))
    if owner.pm != it.pm or not 0 <= demand.kept <= demand.shares or demand.kept % it.lot:
        findings.add("demand", f"{account} of {owner.pm} wants {demand.shares:,} and keeps {demand.kept:,}")
    if (demand.kept < demand.shares) != bool(demand.reason):
        findings.add("demand", f"{account} is left out with {demand.shares - demand.kept:,} for {demand.reason!r}")
    if not demand.kept:
        return
    if ("account", account) in now.switches or {("", it.symbol), (account, it.symbol)} & now.restrictions:
        findings.add("demand", f"{account} stays with {it.symbol}, and is halted or restricted")
    cash, shares = it.put_in(account)
    free = holding.shares - holding.selling if holding is not None else 0
    if (cash and cash > owner.cash - owner.reserved) or shares > max(free, 0):
        findings.add(
            "demand",
            f"{account} puts in {cash:,} and {shares:,} shares, and has {owner.cash - owner.reserved:,} and {free:,}",
        )


def _wanted(it: Block, row: Row, filled: int, amount: int, fee: int) -> dict[str, tuple[int, int, int]]:
    """What each account should have."""
    residual = f"{it.pm}.residual"
    if row.body["onto"] == "residual" and it.allocations:
        wanted = {name: share for name, share in it.allocations[-1].items() if name != residual}
    else:
        kept = {name: (demand.kept, demand.number) for name, demand in it.demands.items() if demand.kept}
        counts = parts(kept, max(min(filled, it.quantity), 0), it.lot, it.method, row.entity, it.key)
        wanted = {
            name: (count, nearest(amount, count, filled), nearest(fee, count, filled)) for name, count in counts.items()
        }
    whole = (filled, amount, fee)
    left = [whole[i] - sum(share[i] for share in wanted.values()) for i in range(3)]
    return wanted | {residual: (left[0], left[1], left[2])}


def _agree(
    row: Row, said: dict[str, tuple[int, int, int]], wanted: dict[str, tuple[int, int, int]], findings: Findings
) -> None:
    for account in sorted(said.keys() | wanted.keys()):
        given, by_rule = said.get(account, (0, 0, 0)), wanted.get(account, (0, 0, 0))
        if given != by_rule:
            findings.add("allocation", f"{account} has {_of(given)} of {row.entity}, and by its rule {_of(by_rule)}")


def _move(now: Standing, it: Block, account: str, cash: int, shares: int) -> None:
    for name, sign in ((account, 1), (it.account, -1)):
        now.owners[name].cash += sign * cash
        if shares:
            now.change(name, it.symbol, sign * shares, 0, 0)


def _of(numbers: "tuple[int, ...] | list[int]") -> str:
    return ", ".join(f"{number:,}" for number in numbers)
