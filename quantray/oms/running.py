"""An order management as a process: gate, outbox, reconciliation and door, as settings say."""

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from pydantic import AwareDatetime, Field, model_validator

from quantray.errors import InputError, reason
from quantray.institution.books import Amount, OpeningSettings
from quantray.institution.factor_files import read_factors
from quantray.institution.facts import NameFacts
from quantray.institution.order_rules import OrderRules
from quantray.institution.rules import Kind, Rule, check_names
from quantray.oms.books import Alert, Books
from quantray.oms.changes import Actor
from quantray.oms.compliance import set_kinds, set_rules
from quantray.oms.controls import (
    REQUIRED,
    limit_units,
    list_instruments,
    open_account,
    permit_short,
    set_limits,
    set_marks,
    set_session,
)
from quantray.oms.door import Door
from quantray.oms.firm import prepared
from quantray.oms.fixing.engine import Session
from quantray.oms.gate import Gate
from quantray.oms.gateways.fix import FixGateway
from quantray.oms.gateways.protocol import Gateway
from quantray.oms.gateways.rest import RestGateway
from quantray.oms.hearing import hear
from quantray.oms.ledger import Account
from quantray.oms.messages import Heard, Route, money
from quantray.oms.outbox import Outbox
from quantray.oms.reconcile import Reconciler
from quantray.oms.reference import set_factors, set_facts
from quantray.oms.sealing import Sealer
from quantray.settings import SettingsModel

__all__ = [
    "FixSettings",
    "Metrics",
    "OmsSettings",
    "Running",
    "SealSettings",
    "SetUp",
    "VenueSettings",
    "running",
    "set_up",
]

_LOG = logging.getLogger("quantray.oms")
_Limit = tuple[str, str, str]
_COMP_ID = r"^[\x21-\x7e]{1,32}$"
_TIME = r"^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$"


class InstrumentSettings(SettingsModel):
    """What may be traded."""

    price: Annotated[Decimal, Field(gt=0)]
    """That exposures and collars are reckoned with until a better one is set."""
    tick: Annotated[Decimal, Field(gt=0)] = Decimal("0.01")
    lot: int = Field(1, ge=1)


class SessionSettings(SettingsModel):
    """When orders are taken."""

    opens: AwareDatetime
    closes: AwareDatetime


class SetUp(SettingsModel):
    """What operations set: the first time, and again whenever it changes.

    Limits are money of the currency, but for shares, days, basis points and ``rate``. Those of ``controls.REQUIRED``
    have to be there; the firm's others (``institution.firm_limits``) bind where they are set.
    """

    firm: Mapping[str, Amount]
    pms: Mapping[str, Mapping[str, Amount]]
    accounts: Mapping[str, OpeningSettings]
    instruments: Mapping[str, InstrumentSettings]
    session: SessionSettings
    sectors: Mapping[str, Mapping[str, Amount]] = {}
    """``gross`` and ``warn_gross`` of single sectors."""
    factor_exposures: Mapping[str, Mapping[str, Amount]] = {}
    """``exposure`` and ``warn_exposure`` of single factors."""
    facts: Mapping[str, NameFacts] = {}
    """What is known of symbols."""
    kinds: Mapping[str, Kind] = {}
    """Of accounts, such as margin, see ``institution.rules.KINDS``."""
    rules: tuple[Rule, ...] = ()
    """Of compliance."""
    factors: str | None = None
    """File of a factor model, of ``institution.factor_files.write_factors``."""

    @model_validator(mode="after")
    def _complete(self) -> "SetUp":
        if missing := REQUIRED["firm"] - set(self.firm):
            raise ValueError(
                f"the firm has no limit {', '.join(sorted(missing))}, and nothing passes one that is missing"
            )
        for name, limits in self.pms.items():
            if missing := REQUIRED["pm"] - set(limits):
                raise ValueError(f"pm {name} has no limit {', '.join(sorted(missing))}")
        if unknown := sorted({account.pm for account in self.accounts.values()} - set(self.pms)):
            raise ValueError(f"an account belongs to {unknown[0]}, who is none of the pms")
        if unknown := sorted(set(self.facts) - set(self.instruments)):
            raise ValueError(f"facts are of symbol {unknown[0]}, which is none of the instruments")
        if unknown := sorted(set(self.kinds) - set(self.accounts)):
            raise ValueError(f"kinds are of account {unknown[0]}, which is none of the accounts")
        OrderRules(self.rules, {}, {})
        check_names(self.rules, self.pms, self.accounts, self.instruments)
        return self


class VenueSettings(SettingsModel):
    """Where orders are executed."""

    address: str = Field(pattern=r"^https?://\S+$")
    key_env: str = "QUANTRAY_VENUE_KEY"
    """Variable of the environment that holds the key; none is sent where it is not set."""


class FixSettings(SettingsModel):
    """A FIX 4.2 session with the venue, which orders then take first; needs the extra ``fix``."""

    host: str = Field("127.0.0.1", pattern=r"^[A-Za-z0-9_.:-]+$")
    """Of the venue, or of the proxy that speaks TLS to it."""
    port: int = Field(ge=1, le=65535)
    sender: str = Field("QUANTRAY", pattern=_COMP_ID)
    target: str = Field("VENUE", pattern=_COMP_ID)
    folder: str = Field("fix", pattern=r"^[^\r\n]+$")
    """Of sequence numbers and of the journal."""
    heartbeat_seconds: int = Field(30, ge=1, le=3600)
    opens: str = Field("00:00:00", pattern=_TIME)
    """UTC; sequence numbers begin anew. The same as ``closes`` is the whole day."""
    closes: str = Field("00:00:00", pattern=_TIME)

    def session(self) -> Session:
        """The session itself."""
        return Session(
            role="initiator",
            host=self.host,
            port=self.port,
            sender=self.sender,
            target=self.target,
            folder=Path(self.folder).resolve(),
            heartbeat=self.heartbeat_seconds,
            opens=self.opens,
            closes=self.closes,
        )


class SealSettings(SettingsModel):
    """Where the head of the log is signed to: best on another disk or machine."""

    file: str
    key: str
    """File of the private key, of `quantray audit keys`."""
    seconds: float = Field(60.0, gt=0)


class OmsSettings(SettingsModel):
    """An order management."""

    database: str = "sqlite:///orders.db"
    door: str = "orders.door"
    """Socket of the desks of this machine."""
    venue: VenueSettings
    fix: FixSettings | None = None
    patience_seconds: float = Field(2.0, gt=0)
    """After which an order that was handed over should have been heard of."""
    compare_seconds: float = Field(30.0, gt=0)
    """Between comparisons of positions and cash with the venue's."""
    metrics_port: int | None = Field(None, ge=0, le=65535)
    """Of this machine, for Prometheus; 0 takes a free one."""
    alerts: str | None = None
    """File to which a line of JSON is added for each alert."""
    seals: SealSettings | None = None
    set_up: SetUp | None = None


class Metrics:
    """What Prometheus reads of a gate: no accounts, no symbols, no people."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.alerts = Counter("quantray_oms_alerts", "Alerts, by kind.", ["kind"], registry=self.registry)
        self.groups = Histogram(
            "quantray_oms_group_seconds",
            "From the first command of a group to its commit.",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0),
            registry=self.registry,
        )

    def of(self, gate: Gate) -> None:
        """Read a gate whenever it is asked."""
        self.registry.register(_Collected(gate))


class _Collected(Collector):
    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def collect(self) -> Iterator[Metric]:
        codes, live, waiting = self._gate.do(
            lambda books: (dict(books.codes), len(books.ledger.live), len(books.outgoing))
        )
        decisions = CounterMetricFamily("quantray_oms_decisions", "Orders decided, by code.", labels=["code"])
        for code, count in codes.items():
            decisions.add_metric([code or "accepted"], count)
        yield decisions
        yield GaugeMetricFamily("quantray_oms_open_orders", "Orders that have something set aside.", live)
        yield GaugeMetricFamily("quantray_oms_outbox", "What waits to be handed over.", waiting)


@dataclass(frozen=True, slots=True)
class Running:
    """The parts of an order management that runs."""

    gate: Gate
    ways: Mapping[Route, Gateway]
    reconciler: Reconciler
    metrics: Metrics
    metrics_port: int | None
    """On which Prometheus reads."""


@contextmanager
def running(settings: OmsSettings) -> Iterator[Running]:
    """An order management during a block: what an earlier one left is settled first.

    Raises
    ------
    GateOpenError
        Another gate has the database.
    DataError, InputError
        The database, the door or the settings are not usable.
    """
    metrics = Metrics()
    with ExitStack() as stack:
        gate = stack.enter_context(Gate(settings.database, told=_Teller(settings.alerts, metrics)))
        gate.measured = metrics.groups.observe
        metrics.of(gate)
        if settings.set_up is not None:
            set_up(gate, settings.set_up)
        if (seals := settings.seals) is not None:
            sealer = Sealer(gate, Path(seals.key), Path(seals.file), seconds=seals.seconds)
            sealer.start()
            stack.callback(sealer.close)
        ways = _ways(settings, stack)
        for route, each in ways.items():
            each.listen(lambda reports, r=route: _booked(gate, reports, r), _cursor(gate, route))  # type: ignore[misc]
        reconciler = Reconciler(gate, ways, patience=settings.patience_seconds, every=settings.compare_seconds)
        # The door first: whoever wants to halt must not wait for a venue that is silent.
        door = Door(
            gate,
            Path(settings.door),
            compare=reconciler.compare,
            settle=reconciler.settle,
            between=settings.patience_seconds,
        )
        stack.callback(door.close)
        reconciler.start()
        stack.callback(reconciler.close)
        stack.callback(Outbox(gate, ways).close)
        port = None
        if settings.metrics_port is not None:
            server, thread = start_http_server(settings.metrics_port, "127.0.0.1", metrics.registry)
            stack.callback(server.server_close)
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            port = server.server_port
        yield Running(gate, ways, reconciler, metrics, port)


def _ways(settings: OmsSettings, stack: ExitStack) -> dict[Route, Gateway]:
    """The ways to the venue, the preferred one first."""
    rest = RestGateway(settings.venue.address, os.environ.get(settings.venue.key_env))
    stack.callback(rest.close)
    if settings.fix is None:
        return {rest.route: rest}
    fix = FixGateway(settings.fix.session(), asked=rest)
    stack.callback(fix.close)
    return {fix.route: fix, rest.route: rest}


def set_up(gate: Gate, wanted: SetUp) -> None:
    """Set limits, instruments, prices and hours; open the accounts that are not open yet.

    A limit that two people changed stays as they left it; where it is wanted otherwise, an alert says so.

    Raises
    ------
    InputError
        A limit, a symbol, or what a rule names is not known, or an account is there with another portfolio manager.
    """
    actor = Actor("set-up")
    limits = {("firm", "", name): limit_units(name, value) for name, value in wanted.firm.items()}
    for name, account in wanted.accounts.items():
        limits |= {("account", f"{name}:{symbol}", "locate"): count for symbol, count in account.locates.items()}
    for scope, each in (("pm", wanted.pms), ("sector", wanted.sectors), ("factor", wanted.factor_exposures)):
        limits |= {(scope, key, name): limit_units(name, v) for key, named in each.items() for name, v in named.items()}
    factors = None if wanted.factors is None else read_factors(Path(wanted.factors))

    def done(books: Books) -> None:
        for name, account in wanted.accounts.items():
            known = books.ledger.accounts.get(name)
            if known is not None and known.pm != account.pm:
                raise InputError(f"account {name} is there already, of pm {known.pm}; accounts do not change hands.")
        fresh_limits = _not_decided(books, limits)
        # Raises before anything is set.
        prepared(books.ledger, fresh_limits, wanted.facts, factors)
        list_instruments(books, actor, {s: (money(i.tick), i.lot) for s, i in wanted.instruments.items()})
        listed = books.ledger.instruments
        fresh = {s: money(i.price) for s, i in wanted.instruments.items() if not listed[s].mark}
        if fresh:
            set_marks(books, actor, fresh)
        set_facts(books, actor, wanted.facts)
        if factors is not None:
            set_factors(books, actor, factors)
        set_limits(books, actor, fresh_limits)
        set_session(books, actor, wanted.session.opens, wanted.session.closes)
        for name, account in wanted.accounts.items():
            if name in books.ledger.accounts:
                permit_short(books, actor, name, may=account.may_short)
            else:
                opened = Account(name, account.pm, money(account.cash), account.may_short)
                open_account(books, actor, opened, account.shares)
        set_kinds(books, actor, wanted.kinds)
        set_rules(books, actor, wanted.rules)

    gate.do(done)


def _not_decided(books: Books, limits: Mapping[_Limit, int]) -> dict[_Limit, int]:
    """Those limits that no two people changed."""
    decided = {(it.scope, it.key, it.name) for it in books.approvals.values() if it.state == "approved"}
    for limit in sorted(decided & limits.keys()):
        stands, wanted, name = books.ledger.limits[limit], limits[limit], " ".join(filter(None, limit))
        if stands != wanted:
            text = f"limit {name} stays {stands:,}, as two people approved; the set-up has {wanted:,}"
            books.note("limit", ":".join(limit), text)
    return {limit: value for limit, value in limits.items() if limit not in decided}


class _Teller:
    """Counts alerts and writes them to the log and to a file."""

    def __init__(self, file: str | None, metrics: Metrics) -> None:
        self._file, self._metrics = None if file is None else Path(file), metrics

    def __call__(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            self._metrics.alerts.labels(alert.kind).inc()
            line = json.dumps({"time": datetime.now(UTC).isoformat(), **asdict(alert)})
            _LOG.warning("%s", line)
            if self._file is not None:
                self._append(line)

    def _append(self, line: str) -> None:
        assert self._file is not None
        try:
            with self._file.open("a") as file:
                file.write(line + "\n")
        except OSError as error:
            # The gate goes on: the alert is a row of its log, and was told.
            _LOG.error("the alert is not in %s: %s", self._file, reason(error))


def _booked(gate: Gate, reports: Sequence[Heard], route: Route) -> None:
    gate.do(lambda books: hear(books, reports, route))


def _cursor(gate: Gate, route: Route) -> int:
    return gate.do(lambda books: books.cursors.get(route, 0))
