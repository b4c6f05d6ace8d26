"""``quantray oms``: the order management as a process, and what operations say to it."""

import contextlib
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantray.terminal import show_table, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantray.oms.desk import RemoteDesk

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
    from quantray.oms.running import OmsSettings, running  # noqa: PLC0415
    from quantray.settings import read_settings  # noqa: PLC0415

    settings = read_settings(OmsSettings, config, change or [])
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with running(settings) as parts:
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


@contextlib.contextmanager
def _desk(door: Path) -> "Iterator[RemoteDesk]":
    from quantray.oms.desk import RemoteDesk  # noqa: PLC0415

    desk = RemoteDesk(door)
    try:
        yield desk
    finally:
        desk.close()
