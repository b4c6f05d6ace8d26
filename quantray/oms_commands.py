"""``quantray oms``: the order management as a process, and what operations say to it."""

import contextlib
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantray.errors import InputError
from quantray.terminal import show_table, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantray.oms.door import RemoteDesk

__all__ = ["oms_app"]

oms_app = typer.Typer(no_args_is_help=True, help="Take orders, check them, and see them through.")

DoorPath = Annotated[Path, typer.Option("--door", envvar="QUANTRAY_DOOR", help="Socket of the running gate.")]
Scope = Annotated[str, typer.Argument(help="firm, pm, account or symbol.")]
Key = Annotated[str, typer.Argument(help="Which pm, account or symbol; nothing for the firm.")]


@oms_app.command()
def start(
    config: Annotated[str, typer.Argument(help="YAML file with the settings of the order management.")],
    change: Annotated[list[str] | None, typer.Option("--set", help="a=value; may be repeated.")] = None,
) -> None:
    """Run gate, outbox and reconciliation until it is interrupted; what an earlier one left is settled first."""
    from quantray.oms.pace import keep_pace  # noqa: PLC0415
    from quantray.oms.running import OmsSettings, running  # noqa: PLC0415
    from quantray.settings import read_settings  # noqa: PLC0415

    settings = read_settings(OmsSettings, config, change or [])
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with running(settings) as parts:
        keep_pace()
        tell(f"gate {parts.gate.epoch} on {settings.database}, door at {settings.door}; interrupt to end")
        with contextlib.suppress(KeyboardInterrupt):
            # A gate that lost its database has ended, and so does its process.
            while parts.gate.open and not ended.wait(1.0):
                pass
        if not parts.gate.open:
            raise typer.Exit(1)


@oms_app.command()
def status(door: DoorPath = Path("orders.door")) -> None:
    """Show what a gate has, and whether it answers at all."""
    with _desk(door) as desk:
        found = desk.status()
    tell(f"gate {found['epoch']}: {found['waiting']:,} waiting to be handed over, {found['log']:,} rows in the log")
    tell(f"halted: {', '.join(found['halted']) or 'nothing'}")
    if found["orders"]:
        show_table(["state", "orders"], [[state, f"{count:,}"] for state, count in sorted(found["orders"].items())])


@oms_app.command()
def kill(scope: Scope, key: Key = "", door: DoorPath = Path("orders.door")) -> None:
    """Halt the firm, a portfolio manager, an account or a symbol, and cancel what is open there."""
    with _desk(door) as desk:
        desk.switch(scope, key, on=True)
    tell(f"halted: {scope} {key}".rstrip())


@oms_app.command()
def resume(scope: Scope, key: Key = "", door: DoorPath = Path("orders.door")) -> None:
    """Let trade again what was halted."""
    with _desk(door) as desk:
        desk.switch(scope, key, on=False)
    tell(f"resumed: {scope} {key}".rstrip())


@oms_app.command()
def reconcile(door: DoorPath = Path("orders.door")) -> None:
    """Compare positions and cash with the venue's; exit code 1 where they differ."""
    with _desk(door) as desk:
        breaks = desk.reconcile()
    if not breaks:
        tell("positions and cash are those of the venue")
        return
    show_table(
        ["account", "what", "here", "venue"], [[b.account, b.what, f"{b.ours:,}", f"{b.theirs:,}"] for b in breaks]
    )
    raise typer.Exit(1)


@oms_app.command()
def settle(
    order: Annotated[str, typer.Argument(help="Id of the order, as alerts have it.")],
    filled: Annotated[int, typer.Option(min=0, help="Shares filled in all.")],
    reason: Annotated[str, typer.Option(help="What that is known by, such as the venue's statement of the day.")],
    price: Annotated[str | None, typer.Option(help="Of a share that is not booked yet.")] = None,
    door: DoorPath = Path("orders.door"),
) -> None:
    """Say what became of an order that its venue does not settle: one that counts fills which it never lists."""
    from quantray.oms.messages import money  # noqa: PLC0415
    from quantray.oms.settling import Settlement  # noqa: PLC0415

    units = None if price is None else money(price)
    with _desk(door) as desk:
        state = desk.settle(Settlement(order=order, filled=filled, price=units, reason=reason))
    tell(f"settled: {order} is {state} with {filled:,} shares filled")


@oms_app.command()
def blocks(door: DoorPath = Path("orders.door")) -> None:
    """Show blocks: what was wanted, who was left out, what is filled, and whether it was allocated."""
    with _desk(door) as desk:
        found = desk.blocks()
    counts = [(sum(it.demands.values()), it.filled, it.open, len(it.left_out), it.revision) for it in found]
    rows = [
        [it.id, it.pm, f"{it.side} {it.symbol}", *(f"{n:,}" for n in numbers)]
        for it, numbers in zip(found, counts, strict=True)
    ]
    show_table(["block", "manager", "what", "wanted", "filled", "open orders", "left out", "allocated"], rows)


@oms_app.command()
def allocate(
    block: Annotated[str, typer.Argument(help="Id of a block whose orders have ended.")],
    again: Annotated[
        str | None,
        typer.Option(help="Anew, after its venue said more: onto the accounts, or the residual account alone."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Of allocating it anew.")] = "",
    door: DoorPath = Path("orders.door"),
) -> None:
    """Share out what a block filled among its accounts, at one average price."""
    from quantray.oms.messages import price_of  # noqa: PLC0415

    with _desk(door) as desk:
        found = desk.reallocate_block(block, reason, again) if again else desk.allocate_block(block)
    rows = [
        [account, f"{it.shares:,}", f"{price_of(it.amount):,.4f}", f"{price_of(it.fee):,.4f}"]
        for account, it in found.shares.items()
    ]
    show_table(["account", "shares", "money", "fees"], rows)


@oms_app.command()
def works(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run of kind portfolios.")],
    account: Annotated[str, typer.Option(help="That trades.")],
    portfolio: Annotated[str | None, typer.Option(help="One of its portfolios, if it has several.")] = None,
    date: Annotated[str | None, typer.Option(help="YYYY-MM-DD of trades; by default the last that were made.")] = None,
    aum: Annotated[float | None, typer.Option(help="Money that is managed; by default what the run charged.")] = None,
    prefix: Annotated[str | None, typer.Option(help="Of the orders' ids; by default the day.")] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("works.json"),
) -> None:
    """Make the orders that `work` works out of what a run traded on a day, as `quantray schedule` plans it."""
    from quantray.execution.orders import to_json  # noqa: PLC0415
    from quantray.oms.works import works_of  # noqa: PLC0415
    from quantray.storage.files import write_atomically  # noqa: PLC0415
    from quantray.studies.portfolios.schedule import ScheduleAsked, run_schedules  # noqa: PLC0415

    asked = ScheduleAsked(date=date, aum=aum, most_days=1)
    found = run_schedules(run, asked, portfolios=[portfolio] if portfolio else [])
    if len(found) > 1:
        raise InputError(f"the run has portfolios {', '.join(each.name for each in found)}; name one of them.")
    (day,) = found
    if day.orders.plan is None:
        raise InputError(f"nothing that {day.name} traded on {day.session} has a known volume; trade it at the close.")
    made = works_of(day.orders.plan, account, prefix=prefix or str(day.session).replace("-", ""))
    write_atomically(out, to_json(made).encode())
    children = sum(len(each.schedule.children) for each in made.works)
    tell(f"written: {out}, {len(made.works):,} orders of {day.session} in {children:,} children")
    if day.orders.at_close:
        tell(f"left out: {day.orders.at_close:,} orders without a known volume, which are for the closing auction")


@oms_app.command()
def work(
    file: Annotated[Path, typer.Argument(help="File of orders with their schedules.")],
    out: Annotated[Path | None, typer.Option(help="JSON to write of what became of them.")] = None,
    paper: Annotated[
        str | None, typer.Option(help="Address of a paper venue whose clock is followed; by default it is now.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.01, help="Between looks.")] = 1.0,
    clip_minutes: Annotated[float, typer.Option(help="From one part of a slice to the next.")] = 5.0,
    clip_value: Annotated[float, typer.Option(help="Money that such a part is worth at least.")] = 3_000.0,
    door: DoorPath = Path("orders.door"),
) -> None:
    """Work orders by their schedules until they are over; killed and started again, it goes on."""
    from quantray.execution.orders import read_json  # noqa: PLC0415
    from quantray.inputs import read_text  # noqa: PLC0415
    from quantray.oms.clips import Clips  # noqa: PLC0415
    from quantray.oms.database import StoreError  # noqa: PLC0415
    from quantray.oms.gate import ClosedError  # noqa: PLC0415
    from quantray.oms.paper.clock import venue_clock  # noqa: PLC0415
    from quantray.oms.worker import Worker, now, summary  # noqa: PLC0415
    from quantray.oms.works import Works  # noqa: PLC0415
    from quantray.storage.files import write_atomically  # noqa: PLC0415

    given = read_json(Works, read_text(file, "file of works"))
    clips = Clips(minutes=clip_minutes, value=clip_value)
    clock = now if paper is None else venue_clock(paper, os.environ.get("QUANTRAY_VENUE_KEY"))
    with _desk(door) as desk:
        found = None
        while found is None:
            try:
                worker = Worker(desk, given.works, clock, clips=clips)
                while worker.step():
                    time.sleep(seconds)
                found = worker.report(desk.marks())
            except (ClosedError, StoreError) as error:
                # A gate that was killed is started again, a full disk is freed; the gate knows all that is to be known.
                tell(str(error), error=True)
                time.sleep(seconds)
    tell(f"filled: {found.filled_share:.1%} of {len(found.orders):,} orders' money")
    tell(f"cost: {found.cost_bps:.1f} bp of it, {found.planned_bps:.1f} bp planned")
    for code, count in sorted(found.refused.items()):
        tell(f"refused: {count:,} by {code}")
    if out is not None:
        write_atomically(out, summary(found).encode())
        tell(f"written: {out}")


@contextlib.contextmanager
def _desk(door: Path) -> "Iterator[RemoteDesk]":
    from quantray.oms.door import RemoteDesk  # noqa: PLC0415

    desk = RemoteDesk(door)
    try:
        yield desk
    finally:
        desk.close()
