"""``quantray audit``: verify the log of orders, take it elsewhere, and make the keys that seal it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantray.errors import InputError
from quantray.terminal import tell

if TYPE_CHECKING:
    from quantray.oms.replay import Finding, Replay

__all__ = ["audit_app"]

_SHOWN = 20
"""Findings that are printed."""

audit_app = typer.Typer(no_args_is_help=True, help="Verify the log of orders, and take it elsewhere.")

Source = Annotated[str, typer.Argument(metavar="DB", help="File or address of the database.")]


@audit_app.command()
def verify(
    source: Annotated[str, typer.Argument(metavar="DB", help="File or address of the database, or an exported log.")],
    seals: Annotated[Path | None, typer.Option(help="Journal of the seals.")] = None,
    key: Annotated[Path | None, typer.Option(help="File of the public key.")] = None,
) -> None:
    """Replay the whole log, and compare it with the tables and the seals: exit code 1 where anything disagrees."""
    from quantray.oms.exporting import is_export  # noqa: PLC0415
    from quantray.oms.replay import replay_database, replay_file  # noqa: PLC0415
    from quantray.oms.sealing import read_seals, unsealed  # noqa: PLC0415
    from quantray.storage.journal import torn_line  # noqa: PLC0415

    if (seals is None) != (key is None):
        raise InputError("seals are verified with both, --seals FILE and --key FILE of the public key.")
    sealed = [] if seals is None or key is None else read_seals(seals, key)
    at = [seal.seq for seal in sealed]
    path = Path(source)
    is_file = "://" not in source and path.is_file() and is_export(path)
    replay = replay_file(path, at=at) if is_file else replay_database(_address(source), at=at)
    against = [] if seals is None else unsealed(sealed, seals, replay)
    _show(replay, against)
    if seals is None and replay.seals:
        tell(f"the log was sealed {replay.seals:,} times; whether its end is there, --seals and --key tell")
    elif at and not against:
        tell(f"sealed up to row {at[-1]:,}, {replay.seq - at[-1]:,} rows before its end")
    if seals is not None and torn_line(seals):
        tell(f"the last line of {seals} was cut off, as by a power cut; the gate sets it aside before its next seal")
    if against or not replay.agrees:
        raise typer.Exit(1)
    tell("all of it agrees" if not is_file else "all of it agrees; the tables are not in an exported log")


@audit_app.command()
def export(source: Source, out: Annotated[Path, typer.Option(help="File to write.")]) -> None:
    """Write the log to a file of JSON lines, which `quantray audit verify` reads."""
    from quantray.oms.exporting import export_log  # noqa: PLC0415

    rows = export_log(_address(source), out)
    tell(f"exported: {rows:,} rows in {out}, {out.stat().st_size:,} bytes")


@audit_app.command()
def keys(path: Annotated[Path, typer.Argument(metavar="FILE", help="Of the private key; .pub is the public.")]) -> None:
    """Make a pair of keys that seals are signed and verified with."""
    from quantray.oms.sealing import make_keys  # noqa: PLC0415

    public = make_keys(path)
    tell(f"made: {path}, which seals and nobody else may read, and {public}, which verifies")


def _address(source: str) -> str:
    return source if "://" in source else f"sqlite:///{source}"


def _show(replay: "Replay", against: "list[Finding]") -> None:
    tell(f"log: {replay.rows:,} rows, {replay.orders:,} orders, {replay.executions:,} executions; last {replay.time}")
    tell(f"head: row {replay.seq:,}, {replay.head}")
    found = [*against, *replay.findings]
    for finding in found[:_SHOWN]:
        tell(str(finding), error=True)
    if (more := len(against) + replay.found - min(len(found), _SHOWN)) > 0:
        tell(f"and {more:,} more", error=True)
