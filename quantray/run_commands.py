"""Verbs about finished runs: their reports, whether they are whole, risk and schedules of their portfolios, lists."""

from pathlib import Path
from typing import Annotated

import typer

from quantray.errors import DataError, InputError
from quantray.tables import print_run, print_table
from quantray.terminal import tell

__all__ = ["compare", "export", "report", "risk", "runs", "schedule", "verify"]

_MOST_ORDERS = 20
"""Of a portfolio that a terminal lists."""


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of any kind.")],
    reader: Annotated[str | None, typer.Option(help="client, manager or risk: a report of one portfolio.")] = None,
    period: Annotated[str | None, typer.Option(help="day, week, month, quarter, year or inception.")] = None,
    portfolio: Annotated[str | None, typer.Option(help="Which; by default the first that is no benchmark.")] = None,
    attribution: Annotated[bool, typer.Option("--attribution", help="Explain it; reads the run's data.")] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="On paper, too; needs Chromium.")] = False,
) -> None:
    """Write the report of a finished run again, or one for a reader of one of its portfolios."""
    if reader or period or portfolio or attribution or pdf:
        _report_for(folder, reader, period, portfolio, attribution=attribution, pdf=pdf)
        return
    from quantray.research.run import render  # noqa: PLC0415

    path = render(folder)
    print_run(folder)
    tell(f"written: {path}")


def verify(folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of any kind.")]) -> None:
    """Compare all that a finished run kept, and the data it read, with what it noted; exit code 1 where it differs."""
    from quantray.research.verify import verify_run  # noqa: PLC0415

    found = verify_run(folder)
    lines = found.damage or (f"{folder} is whole", *found.checked)
    for line in lines:
        tell(line)
    if found.damage:
        raise DataError(f"{len(found.damage)} of what {folder} kept or read is not as it was; see the lines above.")


def risk(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run of kind portfolios.")],
    portfolio: Annotated[list[str] | None, typer.Option(help="One of its portfolios; may be repeated.")] = None,
    date: Annotated[str | None, typer.Option(help="YYYY-MM-DD; by default the last day of the accounts.")] = None,
    level: Annotated[float, typer.Option(help="Of the value-at-risk that is split among positions.")] = 0.99,
    limits: Annotated[Path | None, typer.Option(help="YAML file with limits.")] = None,
    scenarios: Annotated[Path | None, typer.Option(help="YAML file with scenarios beside the six.")] = None,
    nav: Annotated[float | None, typer.Option(help="Money to be risked; by default that of the accounts.")] = None,
    simulations: Annotated[int, typer.Option(help="Scenarios of a Monte Carlo, such as 10000.")] = 0,
    backtest_days: Annotated[int, typer.Option(help="Days of the past on which to test the forecasts.")] = 0,
    html: Annotated[Path | None, typer.Option(help="Page to write; by default risk.html in the run folder.")] = None,
    json: Annotated[Path | None, typer.Option(help="File for all numbers, which JSON readers take.")] = None,
) -> None:
    """Tell what the portfolios of a finished run can lose, how fast they are sold and which limits that meets."""
    from quantray.risk.limits import read_limits  # noqa: PLC0415
    from quantray.risk.stressing.scenarios import read_scenarios  # noqa: PLC0415
    from quantray.studies.portfolios.risk.last_day import Asked, run_risk, write_risk  # noqa: PLC0415

    asked = Asked(
        limits=() if limits is None else read_limits(limits),
        scenarios=None if scenarios is None else read_scenarios(scenarios),
        level=level,
        simulations=simulations,
        backtest_days=backtest_days,
        nav=nav,
    )
    found = run_risk(folder, asked, portfolios=portfolio or (), date=date)
    page = write_risk(found, folder.name, html or folder / "risk.html", json)
    print_table(page.summary)
    for line in (*page.warnings, page.headline):
        tell(line)
    tell(f"report: {html or folder / 'risk.html'}")


def schedule(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run of kind portfolios.")],
    date: Annotated[str | None, typer.Option(help="YYYY-MM-DD of trades; by default the last that were made.")] = None,
    aum: Annotated[float | None, typer.Option(help="Money that is managed; by default what the run charged.")] = None,
    portfolio: Annotated[
        list[str] | None, typer.Option("--portfolio", "--allocator", help="One of its portfolios; may be repeated.")
    ] = None,
    participation: Annotated[float, typer.Option(help="Most of a usual day's volume in a name in a day.")] = 0.1,
    urgency: Annotated[float, typer.Option(help="How often an order falls by a factor e in a day.")] = 1.0,
    slices: Annotated[int, typer.Option(help="Of a session.")] = 8,
    dark: Annotated[float, typer.Option(help="Share of each slice that is offered to dark pools.")] = 0.15,
    impact: Annotated[
        str, typer.Option(help="linear, three_fifths or square_root, where the run charged no impact.")
    ] = "square_root",
    most_days: Annotated[int | None, typer.Option(help="Refuse orders that need more trading days.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write; by default one in the run folder.")] = None,
) -> None:
    """Schedule what the portfolios of a finished run traded on a day: algorithms, child orders, cost, days, venues."""
    from quantray.execution.reporting.page import algorithms_table, orders_table  # noqa: PLC0415
    from quantray.execution.settings import ExecutionSettings  # noqa: PLC0415
    from quantray.settings import checked  # noqa: PLC0415
    from quantray.studies.portfolios.schedule import (  # noqa: PLC0415
        ScheduleAsked,
        default_folder,
        run_schedules,
        write_schedules,
    )

    terms = {"participation": participation, "urgency": urgency, "slices": slices, "dark": dark, "impact": impact}
    execution = checked(ExecutionSettings, terms, "schedule")
    asked = ScheduleAsked(date=date, aum=aum, execution=execution, most_days=most_days)
    found = run_schedules(folder, asked, portfolios=portfolio or ())
    place = out or default_folder(folder, found)
    page = write_schedules(found, folder.name, place)
    for each in found:
        count = each.orders.parents.num_rows
        title = f"{each.name}: the {_MOST_ORDERS} largest of {count:,} orders" if count > _MOST_ORDERS else each.name
        print_table(orders_table(each, _MOST_ORDERS, title=title))
        print_table(algorithms_table(each, title=f"{each.name}: by algorithm"))
    print_table(page.summary)
    for line in (*page.findings, page.headline):
        tell(line)
    tell(f"report: {place / 'schedule.html'}, beside tables and JSON")


def export(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run of any kind.")],
    to: Annotated[str, typer.Option(help="csv, parquet, quantstats, pyfolio or mlflow.")],
    out: Annotated[Path | None, typer.Option(help="Folder to write; by default one in the run folder.")] = None,
    portfolio: Annotated[list[str] | None, typer.Option(help="One of its portfolios; may be repeated.")] = None,
    model: Annotated[str | None, typer.Option(help="For mlflow: a forecaster, or a strategy of a sweep.")] = None,
) -> None:
    """Write what a finished run found for other programs, or a network or strategy of it as an MLflow model."""
    if (to == "mlflow") != (model is not None):
        raise InputError("--model belongs to --to mlflow: name the forecaster or the strategy that is to be a model.")
    if model is not None:
        from quantray.studies.reports.scorers import export_model  # noqa: PLC0415

        place = export_model(folder, model, out)
        tell(f"written: {place}")
        tell(f"read it: mlflow.pyfunc.load_model({str(place)!r}).predict(frame of date, symbol, close, ...)")
        return
    from quantray.studies.reports.exports import export_run  # noqa: PLC0415

    found = export_run(folder, to, out, portfolios=portfolio or ())
    tell(f"written: {', '.join(found.files)} in {found.folder}")
    tell(f"read them there: {found.reading}")


def runs(
    folder: Annotated[Path | None, typer.Option("--runs", help="By default QUANTRAY_RUNS or runs.")] = None,
) -> None:
    """List the runs of a folder: kind, when they ended, digest, and what they found."""
    from quantray.research.comparison import listed  # noqa: PLC0415
    from quantray.research.folder import list_runs  # noqa: PLC0415
    from quantray.research.terms import Environment  # noqa: PLC0415

    place = folder or Path(Environment().runs)
    found = list_runs(place)
    if not found:
        raise DataError(f"{place} holds no run that can be read; name a folder with --runs, or run `quantray demo`.")
    print_table(listed(found))


def compare(
    first: Annotated[Path, typer.Argument(help="A run folder.")],
    second: Annotated[Path, typer.Argument(help="Another of the same kind.")],
) -> None:
    """Put two runs side by side: settings and metrics that differ, with intervals, and digests."""
    from quantray.research.comparison import compare_runs  # noqa: PLC0415

    found = compare_runs(first, second)
    for table in found.tables:
        print_table(table)
    for line in found.lines:
        tell(line)


def _report_for(
    folder: Path, reader: str | None, period: str | None, portfolio: str | None, *, attribution: bool, pdf: bool
) -> None:
    """Write the report of a portfolio, and say what was written and what could not be had."""
    from quantray.studies.reports.written import ReportTerms, write_report  # noqa: PLC0415

    terms = ReportTerms(
        reader=reader or "client",
        period=period or "inception",
        portfolio=portfolio,
        attribution=attribution,
        pdf=pdf,
    )
    files = write_report(folder, terms)
    for note in files.notes:
        tell(note)
    tell(f"report: {files.page}")
    tell(f"numbers: {', '.join(path.name for path in files.numbers)}")
    if files.paper is not None:
        tell(f"paper: {files.paper}")
