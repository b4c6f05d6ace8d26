"""``quantray data``: import bars, and see what is in a market store."""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quantray.errors import InputError
from quantray.printable import csv_text, printable
from quantray.terminal import show_table, tell

if TYPE_CHECKING:
    from quantray.data.quality.findings import Finding, QualityReport
    from quantray.data.quality.treatment import QualitySettings
    from quantray.data.vendors.formats import Format
    from quantray.data.vendors.importing import FileReading

__all__ = ["data_app"]

data_app = typer.Typer(no_args_is_help=True, help="Import bars, and see what is in a market store.")

Store = Annotated[str, typer.Option("--store", "-s", envvar="QUANTRAY_STORE", help="Folder or address of the store.")]
Quality = Annotated[Path | None, typer.Option(help="YAML with quality thresholds and treatments.")]
FormatName = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Out of `quantray data formats`, a YAML file, or module:name of a function; by default recognised.",
    ),
]
Adjusted = Annotated[
    str | None, typer.Option(help="What the prices account for: none, splits or 'splits and dividends'.")
]
Columns = Annotated[list[str] | None, typer.Option("--column", help="FILE_COLUMN=FIELD; may be repeated.")]
Field = Annotated[str | None, typer.Option(help="Field of a wide file (dates by symbols).")]
Separator = Annotated[str | None, typer.Option(help="Mark between columns, such as ';'.")]
Decimal = Annotated[str | None, typer.Option(help="Decimal mark: '.' or ','.")]
Thousands = Annotated[str | None, typer.Option(help="Mark between groups of digits, such as '.'.")]
Dates = Annotated[str | None, typer.Option(help="Order of the parts of dates: YMD, DMY, MDY; or epoch, excel.")]
Missing = Annotated[list[str] | None, typer.Option(help="Mark of a missing number; may be repeated.")]
Timezone = Annotated[str | None, typer.Option(help="Clock of the exchange, such as Asia/Tokyo, for instants in UTC.")]
SymbolFrom = Annotated[
    str | None, typer.Option(help="Regular expression with one group: the symbol in a file's name, as '(.+)_daily'.")
]
Scale = Annotated[float | None, typer.Option(help="What prices are multiplied by; 0.01 for pence.")]


def _form(
    form: FormatName = None,
    adjusted: Adjusted = None,
    column: Columns = None,
    field: Field = None,
    separator: Separator = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    dates: Dates = None,
    missing: Missing = None,
    timezone: Timezone = None,
    symbol_from: SymbolFrom = None,
    scale: Scale = None,
) -> "Format":
    """The format that the options describe."""
    from quantray.data.vendors.formats import Format, named_format  # noqa: PLC0415

    return (Format() if form is None else named_format(form)).with_options(
        adjusted=adjusted,
        columns=_columns(column),
        field=field,
        separator="\t" if separator == "\\t" else separator,
        decimal=decimal,
        thousands=thousands,
        dates=dates,
        missing=tuple(missing) if missing else None,
        timezone=timezone,
        symbol_from=symbol_from,
        scale=scale,
    )


def _columns(pairs: list[str] | None) -> dict[str, str] | None:
    out = {}
    for pair in pairs or []:
        name, equals, field = pair.rpartition("=")
        if not equals:
            raise InputError(f"--column {pair!r} is not of the form FILE_COLUMN=FIELD.")
        out[name] = field
    return out or None


def _describing(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options of ``_form`` beside its own; it gets the format that they describe."""
    options = inspect.signature(_form).parameters
    own = [each for each in inspect.signature(command).parameters.values() if each.name != "described"]

    def run(**given: Any) -> None:
        described = _form(**{name: given.pop(name) for name in options})
        command(**given, described=described)

    # typer reads the signature and the annotations of what it calls.
    parameters = [*own, *options.values()]
    vars(run)["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


@data_app.command("import")
@_describing
def import_(
    path: Annotated[Path, typer.Argument(help="CSV or Parquet file, or a folder of them.")],
    store: Store = "market",
    append: Annotated[bool, typer.Option("--append", help="Add days instead of replacing everything.")] = False,
    quality: Quality = None,
    *,
    described: "Format",
) -> None:
    """Check and treat daily bars and write them to a market store, in one step that happens whole or not at all."""
    from quantray.data.store import MarketStore  # noqa: PLC0415

    target = MarketStore(store)
    write = target.append if append else target.import_bars
    found = write(path, settings=_quality(quality), form=described)
    if found is None:
        tell(f"{store} already holds all of {path}; nothing written.")
        return
    _print_quality(found)
    tell(f"{store} is now at version {target.version()}")


@data_app.command()
@_describing
def check(
    path: Annotated[
        Path | None, typer.Argument(help="Files to check without importing; else the store's report.")
    ] = None,
    store: Store = "market",
    quality: Quality = None,
    *,
    described: "Format",
) -> None:
    """Show what was found in the data of a store and done about it, or what an import of files would find."""
    from quantray.data.quality.examining import examine_blocks  # noqa: PLC0415
    from quantray.data.store import MarketStore  # noqa: PLC0415
    from quantray.data.vendors.importing import read_bars  # noqa: PLC0415

    if path is None:
        reports = MarketStore(store).quality_reports()
    else:
        reports = (examine_blocks(read_bars(path, described), _quality(quality), lent=False)[1],)
    for found in reports:
        _print_quality(found)


@data_app.command()
def formats() -> None:
    """List the formats of files that are recognised, and what their prices account for."""
    from quantray.data.vendors.formats import formats as known  # noqa: PLC0415
    from quantray.data.vendors.formats import prices_of  # noqa: PLC0415

    rows = []
    for one in known():
        told = ", ".join(one.header) + (f"; files named {one.symbol_from}" if one.symbol_from else "")
        rows.append((one.name, one.description, told or "no other is recognised", prices_of(one.adjusted)))
    title = "formats, by --format NAME; a YAML file describes one of your own"
    show_table(("name", "what it is", "recognised by", "prices"), rows, title=title)


@data_app.command()
def restated(
    store: Store = "market",
    output: Annotated[Path | None, typer.Option(help="CSV file for all of it.")] = None,
) -> None:
    """List fields and dates whose values were different when the store first held them."""
    from quantray.data.restatements import restated as changes_of  # noqa: PLC0415
    from quantray.data.restatements import summary  # noqa: PLC0415
    from quantray.data.store import MarketStore  # noqa: PLC0415
    from quantray.storage.files import write_atomically  # noqa: PLC0415

    changes = changes_of(MarketStore(store))
    if output is not None:
        told = changes.assign(symbol=[csv_text(str(symbol)) for symbol in changes["symbol"]])
        write_atomically(output, told.to_csv(index=False))
    rows = []
    for row in changes.head(40).to_dict("records"):
        first, last = str(row["first"])[:10], str(row["last"])[:10]
        days = first if first == last else f"{first} to {last}"
        what = (str(row[name]) for name in ("symbol", "field", "kind"))
        rows.append((*what, days, f"{row['cells']:,}", str(row["version"]), f"{row['then']:g}", f"{row['now']:g}"))
    if rows:
        columns = ("symbol", "field", "kind", "dates", "cells", "first held by version", "then", "now")
        show_table(columns, rows, title=f"what {store} said at first, and now", right=(4, 6, 7))
    if len(changes) > 40:
        tell(f"and {len(changes) - 40:,} more; --output FILE.csv writes all")
    tell(summary(changes))


@data_app.command()
def info(store: Store = "market") -> None:
    """Show the versions of a store and what the latest holds."""
    from quantray.data.store import MarketStore  # noqa: PLC0415

    market = MarketStore(store)
    rows = [
        (str(one.number), f"{one.time:%Y-%m-%d %H:%M:%S}", one.operation, one.first, one.last, f"{one.n_rows:,}")
        for one in market.versions()
    ]
    columns = ("version", "time (UTC)", "operation", "first", "last", "rows written")
    show_table(columns, rows, title=f"versions of {store}", right=(0, 5))
    panel = market.load(fields=("close",))
    known = int(panel.member.sum())
    report = market.quality_reports()[-1]
    tell(
        f"latest: {panel.dates[0]} to {panel.dates[-1]}, {len(panel.dates):,} dates, {len(panel.assets):,} symbols, "
        f"{known:,} closes ({known / panel.member.size:.0%} of all cells); {report.bars} bars, "
        f"calendar {report.exchange}"
    )
    if (names := market.symbols()).spells:
        tell(f"{names.n_ids:,} permanent ids had {len(names.spells):,} symbols")


@data_app.command()
def verify(store: Store = "market") -> None:
    """Look at every byte of every version of a store; exit code 1 where any is not as it was written."""
    from quantray.data.store import MarketStore  # noqa: PLC0415

    found = MarketStore(store).verify()
    for line in found.problems:
        tell(line)
    if found.problems:
        raise typer.Exit(1)
    tell(f"{store}: every byte is as it was written; versions: {found.n_versions:,}, files: {found.n_files:,}")
    if found.strays:
        tell(f"no version names these files; delete them if nothing is writing now: {', '.join(found.strays)}")


@data_app.command()
def simulate(
    store: Store = "market",
    assets: Annotated[int, typer.Option(help="Number of assets.")] = 500,
    days: Annotated[int, typer.Option(help="Number of trading days.")] = 2520,
    seed: Annotated[int, typer.Option(help="Seed; the same seed gives the same market.")] = 0,
) -> None:
    """Fill a store with a synthetic market of known truth."""
    from quantray.data.store import MarketStore  # noqa: PLC0415
    from quantray.data.synthetic import simulate_market  # noqa: PLC0415
    from quantray.data.vendors.importing import RawBars  # noqa: PLC0415

    fields = ["date", "symbol", "open", "high", "low", "close", "volume"]
    target = MarketStore(store)
    # In one expression, so that neither the market nor its rows are held while they are checked.
    found = target.import_bars(
        RawBars(simulate_market(assets, days, seed=seed).panel.to_long()[fields], (f"simulated market, seed {seed}",))
    )
    _print_quality(found)
    tell(f"{store} is now at version {target.version()}")


def _quality(path: Path | None) -> "QualitySettings | None":
    if path is None:
        return None
    from quantray.data.quality.treatment import QualitySettings  # noqa: PLC0415
    from quantray.settings import read_settings  # noqa: PLC0415

    return read_settings(QualitySettings, path)


def _print_quality(found: "QualityReport") -> None:
    """What was understood of files, what was found in them and what was done about it."""
    for line in _understood(found.readings):
        tell(line)
    tell(
        f"{found.n_rows_read:,} rows read, {found.n_rows_kept:,} kept"
        + (f", {found.n_rows_replaced:,} of them in place of others" if found.n_rows_replaced else "")
        + f"; {found.n_assets:,} symbols, {found.first} to {found.last}; {found.bars} bars, calendar {found.exchange}"
    )
    adjustment = found.adjustment
    tell(
        f"prices {adjustment.prices}; {adjustment.n_splits:,} splits and {adjustment.n_dividends:,} dividends beside "
        f"them, from: {adjustment.source}"
    )
    for line in adjustment.evidence:
        tell(f"  {line}")
    for line in adjustment.departures:
        tell(f"  unlike the others: {line}")
    for line in adjustment.doubts:
        tell(f"  undecided: {line}")
    for line in adjustment.mismatches:
        tell(f"  adj_close disagrees: {line}")
    if not found.findings:
        tell("no check flagged anything")
        return
    _show_findings(found.findings)
    worst = [
        f"{symbol or '(no symbol)'} ({', '.join(f'{check} {number}' for check, number in flags.items())})"
        for symbol, flags in found.worst_assets()
    ]
    if worst:
        tell("worst symbols: " + "; ".join(worst))


def _understood(readings: "Iterable[FileReading]") -> Iterable[str]:
    for reading in readings:
        where = reading.example if reading.files == 1 else f"{reading.files:,} files such as {reading.example}"
        yield f"{where}: read as {reading.format}, {reading.stated}"
        yield "  used: " + ", ".join(f"{c} as {n}" if c.lower() != n else c for c, n in reading.used.items())
        if reading.ignored:
            yield "  ignored: " + ", ".join(reading.ignored)
        if reading.missing:
            yield "  not there: " + ", ".join(reading.missing)
        for note in reading.notes:
            yield f"  {note}"


def _show_findings(findings: "Iterable[Finding]") -> None:
    rows = []
    for finding in findings:
        cells = ", ".join(f"{count:,} {name}" for name, count in finding.cells.items())
        most = ", ".join(f"{symbol or '(none)'} {count}" for symbol, count in finding.worst.items())
        examples = [*([cells] if cells else []), *finding.examples[:3], *([f"most: {most}"] if most else [])]
        # A symbol with a line break in it must not begin a line of ours.
        told = "\n".join(map(printable, examples))
        numbers = (f"{finding.n_flagged:,}", f"{finding.n_assets:,}", finding.treatment, f"{finding.n_changed:,}")
        rows.append((finding.check, *numbers, told))
    columns = ("check", "flagged", "symbols", "treatment", "changed", "examples")
    show_table(columns, rows, right=(1, 2, 4), lines=True)
