"""``quantray venue``: a paper venue to trade at, and the bars that it replays."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantray.errors import InputError, first_line
from quantray.inputs import read_text
from quantray.terminal import tell

if TYPE_CHECKING:
    from quantray.oms.messages import Holdings
    from quantray.oms.paper.book import Book
    from quantray.oms.paper.fix_door import FixDoor

__all__ = ["opened_accounts", "venue_app"]

venue_app = typer.Typer(no_args_is_help=True, help="A paper venue to trade at, and the bars that it replays.")


@venue_app.command()
def start(
    data: Annotated[Path, typer.Option(help="File of bars; see `quantray venue bars`.")],
    state: Annotated[Path, typer.Option(help="Folder of its book; the same again goes on where it was.")],
    host: Annotated[str, typer.Option(help="Address to listen on; without a key this machine only.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8700,
    key: Annotated[str | None, typer.Option(envvar="QUANTRAY_VENUE_KEY", help="That clients must bring.")] = None,
    accounts: Annotated[
        Path | None, typer.Option(help='JSON of what accounts hold at first: {"A": {"cash": "1000.00", "SYM": 100}}.')
    ] = None,
    faults: Annotated[str, typer.Option(help="JSON of what goes wrong, such as '{\"lose\": 0.01}'.")] = "{}",
    seed: Annotated[int, typer.Option(min=0, help="Of all that is left to chance.")] = 0,
    participation: Annotated[float, typer.Option(help="Most of a bar's volume that orders may be.")] = 0.1,
    fix_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Open a FIX 4.2 door as well, for this machine only.")
    ] = None,
    fix_ids: Annotated[tuple[str, str], typer.Option(help="CompIDs of the FIX session: the venue's, the client's.")] = (
        "VENUE",
        "QUANTRAY",
    ),
    bar_seconds: Annotated[
        float | None, typer.Option(min=0.001, help="Real time of a bar; by default bars pass by command.")
    ] = None,
) -> None:
    """Open a paper venue until it is interrupted; its orders survive whatever ends it."""
    from quantray.oms.paper.bars import read_bars  # noqa: PLC0415
    from quantray.oms.paper.book import Book  # noqa: PLC0415
    from quantray.oms.paper.faults import read_faults  # noqa: PLC0415
    from quantray.oms.paper.matching import Rules  # noqa: PLC0415
    from quantray.oms.paper.serving import listening, locked_folder, serve  # noqa: PLC0415

    wrong, opened = read_faults(faults), opened_accounts(accounts)
    rules = Rules(seed=seed, participation=participation)
    with (
        locked_folder(state) as folder,
        Book(read_bars(data), folder / "book.sqlite", rules=rules, openings=opened, faults=wrong) as book,
        listening(host, port, key=key) as door,
        nullcontext() if fix_port is None else _fix_door(book, folder / "fix", fix_port, fix_ids),
    ):
        stands = book.standing()
        tell(f"venue at http://{host}:{door.getsockname()[1]}, bar {stands.bar} of {stands.bars}; interrupt to end")
        serve(book, door, key=key, bar_seconds=bar_seconds)


def _fix_door(book: "Book", folder: Path, port: int, ids: tuple[str, str]) -> "FixDoor":
    from quantray.oms.paper.fix_door import FixDoor  # noqa: PLC0415

    return FixDoor(book, folder, port, sender=ids[0], target=ids[1])


@venue_app.command()
def bars(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="To write, such as day.npz.")],
    store: Annotated[
        str | None, typer.Option("--store", "-s", envvar="QUANTRAY_STORE", help="Market store of the daily bars.")
    ] = None,
    day: Annotated[str | None, typer.Option(help="YYYY-MM-DD; by default the last.")] = None,
    synthetic: Annotated[int, typer.Option(min=0, help="Instead of a store, so many simulated names.")] = 0,
    minutes: Annotated[int, typer.Option(min=1, help="Length of a bar.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of the inside of the day.")] = 0,
    spread_bps: Annotated[float, typer.Option(min=0, help="Whole spread.")] = 5.0,
) -> None:
    """Make bars to replay out of the daily bars of a market store, or of a simulated market."""
    from quantray.data.store import MarketStore  # noqa: PLC0415
    from quantray.data.synthetic import simulate_market  # noqa: PLC0415
    from quantray.oms.paper.bars import write_bars  # noqa: PLC0415
    from quantray.oms.paper.replay import bars_of_day  # noqa: PLC0415

    if bool(synthetic) == (store is not None):
        raise InputError("bars come from a --store or from a --synthetic market; give one of them.")
    if store is None:
        panel = simulate_market(synthetic, 60, seed=seed, listing_share=0.0, delisting_share=0.0).panel
    else:
        panel = MarketStore(store).load(end=day, fields=("open", "high", "low", "close", "volume"))
    made = bars_of_day(
        panel, panel.dates[-1] if day is None else day, minutes=minutes, seed=seed, spread_bps=spread_bps
    )
    write_bars(made, target)
    tell(f"written: {target}, {len(made)} bars of {len(made.symbols)} symbols on {made.day(0)}")


def opened_accounts(path: Path | None) -> "dict[str, Holdings]":
    """What accounts hold at first, by a file of JSON; raises ``InputError`` where it says something else."""
    from quantray.oms.messages import Holdings, money  # noqa: PLC0415

    if path is None:
        return {}
    try:
        content = json.loads(read_text(path, "file of accounts"))
        return {
            str(account): Holdings(
                money(str(held.get("cash", 0))), {str(s): _shares(n) for s, n in held.items() if s != "cash"}
            )
            for account, held in content.items()
        }
    except (InputError, ValueError, AttributeError, ArithmeticError) as error:
        raise InputError(
            f'{path}: {first_line(error)}; write it as {{"A": {{"cash": "1000.00", "SYM": 100}}}}.'
        ) from error


def _shares(count: object) -> int:
    if not isinstance(count, int) or isinstance(count, bool):
        raise ValueError(f"{count!r} is no whole number of shares")
    return count
