"""What risk officers read of the order management: the firm over all portfolio managers, its limits and switches."""

import json
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Connection, func, select

from quantray.institution.approvals import LimitChange
from quantray.oms import schema
from quantray.oms.books import stamp
from quantray.oms.controls import is_counted
from quantray.oms.holdings import Exposure, Part, exposed_parts, exposures, held_lines
from quantray.oms.messages import MONEY
from quantray.serving.institution.manager_schemas import LimitRow, Limits
from quantray.serving.institution.managers import held_row, limit_row
from quantray.serving.institution.officer_schemas import (
    AlertRow,
    Alerts,
    ChangeRow,
    Changes,
    ExposureRow,
    Exposures,
    FirmPosition,
    FirmPositions,
    Switches,
    SwitchRow,
)

__all__ = ["By", "alerts", "change_row", "changes", "firm_exposures", "firm_limits", "firm_positions", "switches"]

By = Literal["name", "sector", "pm"]
_NO_SECTOR = "no sector"
_LEVELS = frozenset(
    {("firm", name) for name in ("gross", "net", "single_name", "sector")}
    | {("sector", "gross"), ("pm", "capital"), ("account", "locate")}
)
"""Limits, by scope and name, that are levels of what is held."""
_LOOKED = 200_000
"""Newest rows of the log among which alerts are looked for."""


def firm_exposures(connection: Connection, by: By, offset: int, limit: int) -> Exposures:
    """A page of exposures by name, sector or manager, and the firm's."""
    lines = exposed_parts(connection)
    sectors = _sectors(connection) if by == "sector" else {}

    def name(it: Part) -> str:
        return it.pm if by == "pm" else it.symbol if by == "name" else sectors.get(it.symbol) or _NO_SECTOR

    found = exposures(lines, name)
    whole = exposures(lines, lambda it: "firm") or [Exposure("firm", 0, 0, 0, 0)]
    rows = tuple(_exposure(it) for it in found[offset : offset + limit])
    return Exposures(total=len(found), offset=offset, by=by, firm=_exposure(whole[0]), exposures=rows)


def firm_positions(
    connection: Connection, pm: str | None, account: str | None, symbol: str | None, offset: int, limit: int
) -> FirmPositions:
    """A page of positions by account and symbol, those of a manager, an account or a symbol."""
    lines = [
        it
        for it in held_lines(connection)
        if pm in (None, it.pm) and account in (None, it.account) and symbol in (None, it.symbol)
    ]
    rows = tuple(FirmPosition(**held_row(it), pm=it.pm) for it in lines[offset : offset + limit])
    return FirmPositions(total=len(lines), offset=offset, positions=rows)


def firm_limits(connection: Connection) -> Limits:
    """All limits, with what is used of those that are levels of what is held."""
    it = schema.limits.c
    used = _used(exposed_parts(connection), _sectors(connection))
    short = held_lines(connection, sold=True)
    used |= {("account", f"{line.account}:{line.symbol}", "locate"): line.selling - line.shares for line in short}
    order = ("firm", "sector", "factor", "pm", "account")
    found = sorted(
        connection.execute(select(it.scope, it.key, it.name, it.value)),
        key=lambda row: (order.index(row[0]), row[1], row[2].removeprefix("warn_"), row[2]),
    )
    return Limits(limits=tuple(_limit(used, scope, key, name, value) for scope, key, name, value in found))


def switches(connection: Connection) -> Switches:
    """Kill switches that are on."""
    it = schema.switches.c
    found = connection.execute(select(it.scope, it.key).order_by(it.scope, it.key))
    return Switches(switches=tuple(SwitchRow(scope=scope, key=key) for scope, key in found))


def changes(connection: Connection, state: str | None, offset: int, limit: int) -> Changes:
    """A page of changes of limits by id; those that wait have not expired."""
    it, now = schema.approvals, stamp(datetime.now(UTC))
    chosen = []
    if state is not None:
        chosen.append(it.c.state == ("waiting" if state == "expired" else state))
    if state in ("waiting", "expired"):
        chosen.append(it.c.expires > now if state == "waiting" else it.c.expires <= now)
    total = connection.execute(select(func.count()).select_from(it).where(*chosen)).scalar_one()
    query = select(it).where(*chosen).order_by(it.c.id).limit(limit).offset(offset)
    rows = tuple(change_row(LimitChange(**row._mapping)) for row in connection.execute(query))
    return Changes(total=total, offset=offset, changes=rows)


def change_row(it: LimitChange) -> ChangeRow:
    """A change as it travels; one that waits and can be approved no more has expired."""
    unit = 1 if is_counted(it.name) else MONEY
    return ChangeRow(
        id=it.id,
        scope=it.scope,
        key=it.key,
        name=it.name,
        value=it.value / unit,
        before=None if it.before is None else it.before / unit,
        unit="number" if is_counted(it.name) else "money",
        reason=it.reason,
        proposer=it.proposer,
        expires=datetime.fromisoformat(it.expires),
        state="expired" if it.state == "waiting" and it.expires <= stamp(datetime.now(UTC)) else it.state,
        decider=it.decider,
    )


def alerts(connection: Connection, limit: int) -> Alerts:
    """The newest alerts first, of the newest rows of the log."""
    it = schema.audit.c
    newest = connection.execute(select(func.max(it.seq))).scalar() or 0
    query = (
        select(it.line).where(it.seq > newest - _LOOKED, it.line.like('%,"alert",%')).order_by(it.seq.desc())
    ).execution_options(yield_per=500)
    rows: list[AlertRow] = []
    for line in connection.execute(query).scalars():
        seq, time, _, _, kind, entity, body = json.loads(line)
        # What somebody wrote may look like one.
        if kind == "alert":
            rows.append(
                AlertRow(
                    seq=seq, time=datetime.fromisoformat(time), kind=body["kind"], entity=entity, text=body["text"]
                )
            )
        if len(rows) == limit:
            break
    return Alerts(alerts=tuple(rows))


def _exposure(it: Exposure) -> ExposureRow:
    return ExposureRow(
        name=it.name, long=it.long / MONEY, short=it.short / MONEY, gross=it.gross / MONEY, net=it.net / MONEY
    )


def _sectors(connection: Connection) -> dict[str, str]:
    it = schema.documents.c
    found = connection.execute(select(it.name, it.body).where(it.kind == "facts"))
    return {name: json.loads(body).get("sector", "") for name, body in found}


def _used(lines: list[Part], sectors: dict[str, str]) -> dict[tuple[str, str, str], int]:
    """Of limits that are levels of what is held, how far it goes, as the gate reckons it."""
    whole = exposures(lines, lambda it: "firm") or [Exposure("firm", 0, 0, 0, 0)]
    names = exposures(lines, lambda it: it.symbol)
    used = {
        ("firm", "", "gross"): whole[0].gross,
        ("firm", "", "net"): abs(whole[0].net),
        ("firm", "", "single_name"): max((abs(it.net) for it in names), default=0),
    }
    by_sector = exposures((it for it in lines if sectors.get(it.symbol)), lambda it: sectors[it.symbol])
    used[("firm", "", "sector")] = max((it.gross for it in by_sector), default=0)
    used |= {("sector", it.name, "gross"): it.gross for it in by_sector}
    used |= {("pm", it.name, "capital"): it.gross for it in exposures(lines, lambda it: it.pm)}
    return used


def _limit(used: dict[tuple[str, str, str], int], scope: str, key: str, name: str, value: int) -> LimitRow:
    level = name.removeprefix("warn_")
    found = used.get((scope, key, level), 0) if (scope, level) in _LEVELS else None
    return limit_row(scope, key, name, value, found, is_money=not is_counted(name))
