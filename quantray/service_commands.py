"""``quantray serve`` and ``quantray keys``: the service of published books, and who may use it."""

import contextlib
import sys
import time
import webbrowser
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantray.errors import InputError
from quantray.terminal import show_table, tell

if TYPE_CHECKING:
    from quantray.serving.desk import Published

__all__ = ["backup", "keys_app", "rebalance", "restore", "serve", "show_day", "watch"]

_SHOWN = 15
"""Trades that are printed."""

keys_app = typer.Typer(no_args_is_help=True, help="Create, list, revoke and rotate the keys of the service.")

Folder = Annotated[Path, typer.Option("--keys", envvar="QUANTRAY_KEYS", help="Folder of the keys.")]


def serve(
    config: Annotated[str | None, typer.Argument(help="YAML file with the settings of the service.")] = None,
    change: Annotated[list[str] | None, typer.Option("--set", help="a=value; may be repeated.")] = None,
    replicas: Annotated[int, typer.Option(min=1, max=1000, help="Processes that read.")] = 1,
    address: Annotated[
        str | None, typer.Option(help="host:port of a Ray head; by default one of this machine.")
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="The books of `quantray demo`, with a key made for it.")] = False,
    runs: Annotated[str | None, typer.Option(help="Folder that the demo ran in.")] = None,
) -> None:
    """Serve the published books over HTTP, until it is interrupted."""
    from quantray.research.terms import ClusterSettings  # noqa: PLC0415
    from quantray.serving.auth import KeyRing  # noqa: PLC0415
    from quantray.serving.demo import demo_changes  # noqa: PLC0415
    from quantray.serving.settings import ServiceSettings  # noqa: PLC0415
    from quantray.settings import read_settings  # noqa: PLC0415

    if demo:
        change = [*demo_changes(runs), *(change or [])]
    settings = read_settings(ServiceSettings, config, change or [])
    if not demo and not settings.open and KeyRing(Path(settings.keys)).is_empty:
        raise InputError(
            f"{settings.keys} holds no key, so nobody could read; make one with "
            f"`quantray keys create NAME --scope read --keys {settings.keys}`."
        )
    from quantray.serving.deployment import served  # noqa: PLC0415

    cluster = ClusterSettings(kind="address", address=address) if address else ClusterSettings(kind="local")
    with served(settings, cluster, replicas=replicas):
        place = f"http://{settings.host}:{settings.port}"
        tell(f"serving {settings.books} at {place}; interrupt to end")
        if demo:
            key = KeyRing(Path(settings.keys)).create("demo", ["read", "what-if"], days=1).text
            tell(f"key, valid for a day and shown once: {key}")
            tell(f"dashboard: {place}/#key={key}")
            if sys.stdout.isatty():
                webbrowser.open(f"{place}/#key={key}")
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(3600)


def watch(
    address: Annotated[str, typer.Argument(help="Of the service, such as http://127.0.0.1:8000.")],
    alerts: Annotated[Path, typer.Option(help="YAML with rules of alerts.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="Between looks.")] = 60.0,
    once: Annotated[
        bool, typer.Option("--once", help="Look once: exit code 1 where the service is not ready.")
    ] = False,
) -> None:
    """Look at a service again and again, and alert where it is not ready or its book is stale."""
    from quantray.serving.alerts import Alerts, read_alerts  # noqa: PLC0415
    from quantray.serving.watching import look  # noqa: PLC0415

    given = Alerts(read_alerts(alerts))
    while True:
        wrong = look(address, given)
        if wrong:
            tell(wrong, error=True)
        if once:
            raise typer.Exit(1 if wrong else 0)
        time.sleep(seconds)


def backup(
    target: Annotated[Path, typer.Argument(help="File to write, such as backup.tar.gz.")],
    store: Annotated[str, typer.Option(envvar="QUANTRAY_STORE", help="Folder of the market store.")] = "market",
    books: Annotated[str, typer.Option(help="Folder of the published books.")] = "books",
    folder: Folder = Path("keys"),
    runs: Annotated[
        str, typer.Option(envvar="QUANTRAY_RUNS", help="Folder of the rebalances' records and networks.")
    ] = "runs",
) -> None:
    """Pack the market store, the books, the keys and what rebalances kept into one file, and every byte's hash."""
    from quantray.storage.archives import pack  # noqa: PLC0415

    parts = {"market": store, "books": books, "keys": str(folder), "runs/daily": str(Path(runs) / "daily")}
    count = pack(parts, target)
    tell(f"packed: {count:,} files in {target}, {target.stat().st_size:,} bytes")
    if missing := [f"{name} ({path})" for name, path in parts.items() if not Path(path).is_dir()]:
        tell(f"not in it, as there is no such folder: {', '.join(missing)}")
    if folder.is_dir():
        tell("it holds keys, keep it to yourself")


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    to: Annotated[Path, typer.Option(help="Folder for what was packed; empty or not there yet.")],
) -> None:
    """Bring a backup back: market store, books, keys and runs, each in a folder of its name."""
    from quantray.storage.archives import unpack  # noqa: PLC0415

    tell(f"restored: {unpack(source, to):,} files in {to}")


def rebalance(
    config: Annotated[str, typer.Argument(help="YAML file with the settings of the rebalance.")],
    bars: Annotated[Path | None, typer.Option(help="File or folder with the day's bars, to append first.")] = None,
    day: Annotated[str | None, typer.Option(help="YYYY-MM-DD; by default the last of the store.")] = None,
    holdings: Annotated[
        Path | None, typer.Option(help="CSV of symbol and shares really held, with money in the row CASH.")
    ] = None,
    change: Annotated[list[str] | None, typer.Option("--set", help="a.b=value; may be repeated.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Read the settings and stop.")] = False,
) -> None:
    """Decide on a day's bars and publish the book; the same day again publishes the same book, once."""
    from quantray.daily.settings import RebalanceSettings  # noqa: PLC0415
    from quantray.research.progress import say  # noqa: PLC0415
    from quantray.serving.desk import run_day  # noqa: PLC0415
    from quantray.settings import read_settings  # noqa: PLC0415

    settings = read_settings(RebalanceSettings, config, change or [])
    wanted = None if day is None else _day(day)
    if check:
        return
    found = run_day(settings, bars=bars, day=wanted, holdings=holdings, progress=lambda stage: say(f"{stage} ..."))
    show_day(found)
    tell(f"published: {settings.books}, {found.pointer.version}")


def show_day(found: "Published") -> None:
    """Print what a day ended with: its largest trades, what it came to, and what each stage took."""
    book = found.done.book
    rows = sorted(book.tables["portfolio"].to_pylist(), key=lambda row: -abs(row["weight"] - row["weight_before"]))
    traded = [row for row in rows if row["shares"] != row["shares_before"]]
    shown = [
        (
            row["symbol"],
            row["sector"],
            f"{row['weight_before']:.2%}",
            f"{row['weight']:.2%}",
            f"{row['shares'] - row['shares_before']:+,}",
        )
        for row in traded[:_SHOWN]
    ]
    title = f"{book.portfolio}, {book.as_of}: the largest of {len(traded):,} trades"
    show_table(("symbol", "sector", "before", "after", "shares"), shown, title=title, right=(2, 3, 4))
    risk = book.documents["risk"]
    tail = "" if risk.get("var_99") is None else f"; 99 % value-at-risk {risk['var_99']:.2%}"
    tell(f"NAV {book.nav:,.0f}, {len(rows):,} positions, cash {book.cash:.2%}{tail}")
    for note in found.done.notes:
        tell(note)
    tell(", ".join(f"{name} {seconds:.1f} s" for name, seconds in found.done.seconds.items() if seconds >= 0.05))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{text!r} is no day; write it as 2024-03-28.") from error


@keys_app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[
        list[str], typer.Option(help="read, what-if, publish, admin, trade, risk or operations; may be repeated.")
    ],
    days: Annotated[int | None, typer.Option(help="Until it expires; by default never.")] = None,
    pm: Annotated[str | None, typer.Option(help="Portfolio manager whose key it is, with the scope trade.")] = None,
    folder: Folder = Path("keys"),
) -> None:
    """Make a key and print it: nobody can see it again."""
    from quantray.serving.auth import KeyRing  # noqa: PLC0415

    tell(KeyRing(folder).create(name, scope, days=days, pm=pm).text)


@keys_app.command("list")
def list_keys(folder: Folder = Path("keys")) -> None:
    """Show all keys, without their secrets."""
    from quantray.serving.auth import KeyRing  # noqa: PLC0415

    rows = KeyRing(folder).list()
    if not rows:
        raise InputError(f"{folder} holds no key; `quantray keys create NAME --scope read` makes one.")
    show_table(("id", "name", "scopes", "state"), rows)


@keys_app.command()
def revoke(identity: Annotated[str, typer.Argument(metavar="ID")], folder: Folder = Path("keys")) -> None:
    """End a key at once."""
    from quantray.serving.auth import KeyRing  # noqa: PLC0415

    KeyRing(folder).revoke(identity)
    tell(f"revoked: {identity}")


@keys_app.command()
def rotate(
    identity: Annotated[str, typer.Argument(metavar="ID")],
    grace_hours: Annotated[int, typer.Option(help="That the old key works on.")] = 24,
    folder: Folder = Path("keys"),
) -> None:
    """Make a key in place of another and print it."""
    from quantray.serving.auth import KeyRing  # noqa: PLC0415

    tell(KeyRing(folder).rotate(identity, grace_hours=grace_hours).text)
