"""``quantray trade``: a firm's trading day on a paper venue."""

import resource
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quantray.terminal import show_table, tell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from quantray.trading.day import Day
    from quantray.trading.record import Summary
    from quantray.trading.settings import TradingDaySettings
    from quantray.trading.worlds import Worlds

__all__ = ["trade"]


def trade(
    config: Annotated[Path, typer.Argument(help="YAML file with the settings of a trading day.")],
    folder: Annotated[Path, typer.Option(help="New one, for the database, the tables and the summary.")],
    change: Annotated[list[str] | None, typer.Option("--set", help="a.b=value; may be repeated.")] = None,
) -> None:
    """Lead a firm through a day: strategies, blocks, the gate, a paper venue, accounts, lots and profit."""
    from quantray.oms.pace import keep_pace  # noqa: PLC0415
    from quantray.oms.replay import replay_database  # noqa: PLC0415
    from quantray.settings import flattened, read_settings  # noqa: PLC0415
    from quantray.storage.files import write_atomically  # noqa: PLC0415
    from quantray.trading.day import Day  # noqa: PLC0415
    from quantray.trading.page import day_page  # noqa: PLC0415
    from quantray.trading.profit import day_lots, profit  # noqa: PLC0415
    from quantray.trading.record import summary_of, write_day  # noqa: PLC0415
    from quantray.trading.settings import TradingDaySettings, memory_plan  # noqa: PLC0415

    settings = read_settings(TradingDaySettings, config, change or [])
    institution, market = settings.load(config.parent)
    planned = memory_plan(institution, market, apart=settings.worlds != "here")
    tell(
        f"{len(institution.pms)} managers, {len(institution.accounts)} accounts, {len(institution.strategies)} "
        f"strategies, {len(market.symbols)} names, {len(market.today)} bars; about {planned['all']:,.0f} MB "
        f"(by the requirement's formula {planned['requirement']:,.0f})"
    )
    day = Day(institution, market, folder / "gate", settings=settings.day)
    with _worlds(settings, day) as worlds:
        keep_pace()
        try:
            outcome = day.run(worlds)
        except KeyboardInterrupt:
            tell(
                f"interrupted; a day is not continued: its log is in {folder / 'gate'}; give the next a new folder",
                error=True,
            )
            raise typer.Exit(3) from None
    earned = profit(institution, outcome)
    lots = day_lots(institution, outcome, market.time(0).date())
    summary = summary_of(institution, outcome, earned, replay_database(day.database))
    write_day(folder, market.time(0).date(), outcome, earned, lots, summary)
    page = day_page(institution, market, outcome, earned, summary)
    seeds = f"seed {settings.market.seed} of the market and {settings.day.seed} of the venue"
    report = folder / "report.html"
    told = {key: str(value) for key, value in flattened(settings.model_dump(mode="json")).items()}
    write_atomically(report, page.html([f"quantray trade {config.name}", seeds], told).encode())
    _show(summary)
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + sum(outcome.memory.values()) / 2**20
    tell(f"memory: {taken:,.0f} MB at most, worlds counted one by one; planned were {planned['all']:,.0f}")
    tell(f"report: {report}")
    if summary.breaches:
        raise typer.Exit(1)


def _worlds(settings: "TradingDaySettings", day: "Day") -> "AbstractContextManager[Worlds]":
    from quantray.trading.worlds import Here, Processes  # noqa: PLC0415

    if settings.worlds == "here":
        return Here(day.worlds)
    if settings.worlds == "processes":
        return Processes(day.worlds)
    return _actors(settings.address, day)


@contextmanager
def _actors(address: str | None, day: "Day") -> "Iterator[Worlds]":
    from quantray.distributed.cluster import connect  # noqa: PLC0415
    from quantray.distributed.worlds import ActorWorlds  # noqa: PLC0415
    from quantray.research.terms import ClusterSettings  # noqa: PLC0415

    where = ClusterSettings(kind="local") if address is None else ClusterSettings(kind="address", address=address)
    with connect(where) as executor:
        executor.put(None)
        with ActorWorlds(day.worlds) as worlds:
            yield worlds


def _show(it: "Summary") -> None:
    latency = it.latency_ms
    rows = [
        ("orders", f"{it.orders:,} in {it.blocks:,} blocks, {it.filled:.1%} of their shares filled"),
        ("refused", _counts(it.refused)),
        ("left out", _counts(it.left_out)),
        (
            "decision to approval",
            f"mean {latency['mean']:.1f} ms, p99 {latency['p99']:.1f}, most {latency['most']:.1f}",
        ),
        ("earned", f"{it.earned:,.0f}, on paper {it.paper:,.0f}, of which fees {it.fees:,.0f}"),
        ("breaches", f"{it.breaches:,} found by an independent reader of {it.log_rows:,} rows of the log"),
        *((f"silent: {pm}", _counts(why)) for pm, why in it.silent.items()),
        *([("could not decide", _counts(it.failed))] if it.failed else []),
    ]
    show_table(("what", "came of it"), rows)


def _counts(counts: "Mapping[str, int]") -> str:
    return ", ".join(f"{count:,} {code}" for code, count in counts.items()) or "none"
