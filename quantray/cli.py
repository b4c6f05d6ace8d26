"""The command line: verbs that parse, call one function and print.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 interrupted and resumable.
"""

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import psutil
import typer

from quantray.audit_commands import audit_app
from quantray.data_commands import data_app
from quantray.errors import ClusterError, DataError, InputError, QuantrayError, reason
from quantray.oms_commands import oms_app
from quantray.plan_commands import plan
from quantray.service_commands import backup, keys_app, rebalance, restore, serve, watch
from quantray.tables import print_run, print_table
from quantray.terminal import pass_on, ready_streams, show_table, tell
from quantray.venue_commands import venue_app

__all__ = ["app", "main", "run_workflow"]

if TYPE_CHECKING:
    from quantray.research.kind import Kind, StudySettings

_MOST_ORDERS = 20
"""Of a portfolio that a terminal lists."""

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(data_app, name="data")
app.add_typer(keys_app, name="keys")
app.add_typer(oms_app, name="oms")
app.add_typer(venue_app, name="venue")
app.add_typer(audit_app, name="audit")
for verb in (plan, rebalance, serve, watch, backup, restore):
    app.command()(verb)


def main() -> NoReturn:
    """Entry point of the ``quantray`` command."""
    arguments = [a for a in sys.argv[1:] if a != "--debug"]
    _guarded(lambda: _invoke(arguments), debug="--debug" in sys.argv)


def run_workflow(kind: str) -> NoReturn:
    """Run a study of one kind on the settings of the command line: ``CONFIG [--set a.b=value] [--check]``."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__, prog=Path(sys.argv[0]).name)
    parser.add_argument("config", help="YAML file with the settings")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=VALUE", help="change one setting")
    parser.add_argument("--check", action="store_true", help="read the settings and stop")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args()
    _guarded(
        lambda: _run_file(arguments.config, arguments.set, check=arguments.check, kind=kind), debug=arguments.debug
    )


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; may stand anywhere.")] = False,
) -> None:
    """Walk-forward portfolio research on one machine or a Ray cluster."""


@app.command()
def demo(
    runs: Annotated[str | None, typer.Option(help="Folder for results; by default QUANTRAY_RUNS or runs.")] = None,
    serial: Annotated[bool, typer.Option("--serial", help="Without Ray.")] = False,
) -> None:
    """Run a study on a simulated market, on Ray, write its report, and publish the book of its last day."""
    from quantray.research.terms import ClusterSettings  # noqa: PLC0415
    from quantray.studies.portfolios.kind import PORTFOLIOS  # noqa: PLC0415
    from quantray.studies.portfolios.settings import demo_settings  # noqa: PLC0415

    settings = demo_settings()
    if runs is not None:
        settings = settings.model_copy(update={"runs": runs})
    if serial:
        settings = settings.model_copy(update={"cluster": ClusterSettings(kind="serial")})
    _run(PORTFOLIOS, settings)
    from quantray.serving.demo import publish_demo  # noqa: PLC0415

    found = publish_demo(settings)
    book = found.done.book
    tell(f"published: the book of {book.as_of}, {book.tables['parents'].num_rows} orders, {found.pointer.version}")
    elsewhere = "" if runs is None else f" --runs {shlex.quote(runs)}"
    tell(f"serve it: quantray serve --demo{elsewhere}")


@app.command()
def run(
    config: Annotated[str, typer.Argument(help="YAML file with the settings of a study of any kind.")],
    change: Annotated[list[str] | None, typer.Option("--set", help="a.b=value; may be repeated.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Read the settings and stop.")] = False,
) -> None:
    """Run a study of the kind that its settings name; the same command again continues it."""
    _run_file(config, change or [], check=check)


@app.command()
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


@app.command()
def verify(folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder of any kind.")]) -> None:
    """Compare all that a finished run kept, and the data it read, with what it noted; exit code 1 where it differs."""
    from quantray.research.verify import verify_run  # noqa: PLC0415

    found = verify_run(folder)
    lines = found.damage or (f"{folder} is whole", *found.checked)
    for line in lines:
        tell(line)
    if found.damage:
        raise DataError(f"{len(found.damage)} of what {folder} kept or read is not as it was; see the lines above.")


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Folder to fill; made if it is not there.")]) -> None:
    """Fill a folder with the programs of all kinds of study and their commented settings."""
    from quantray.starter import write_starter  # noqa: PLC0415

    written = write_starter(folder)
    programs = sum(path.suffix == ".py" for path in written)
    tell(f"written: {programs} programs and {len(written) - programs} settings in {folder / 'workflows'}")
    tell(f"try: cd {shlex.quote(str(folder))} && quantray run workflows/configs/demo.yaml")


@app.command()
def submit(
    workflow: Annotated[str, typer.Argument(help="Program, such as workflows/walk_forward.py.")],
    config: Annotated[str, typer.Argument(help="Its settings.")],
    address: Annotated[str, typer.Option(envvar="RAY_API_SERVER_ADDRESS", help="Dashboard of the cluster.")] = (
        "http://127.0.0.1:8265"
    ),
    change: Annotated[list[str] | None, typer.Option("--set", help="a.b=value; may be repeated.")] = None,
    env: Annotated[list[str] | None, typer.Option("--env", help="NAME=value for the job; may be repeated.")] = None,
    python: Annotated[str, typer.Option(help="Interpreter on the cluster.")] = "python",
    wait: Annotated[bool, typer.Option(help="Follow the log until the job ends.")] = True,
) -> None:
    """Submit a workflow to a cluster, or attach where the same one already runs."""
    from quantray.distributed.jobs import JobRequest, parse_environment, submit  # noqa: PLC0415

    request = JobRequest(workflow, config, tuple(change or []), python=python, environment=parse_environment(env or []))
    # A mistake in the settings should show here, not minutes later in a remote log; the program knows its settings.
    changes = [word for one in change or [] for word in ("--set", one)]
    program = [sys.executable, workflow, config, "--check", *changes]
    checked = subprocess.run(program, check=False, capture_output=True, text=True)
    if checked.returncode:
        pass_on((checked.stderr or checked.stdout).strip() + "\n", error=True)
        raise typer.Exit(checked.returncode)
    outcome = submit(request, address, wait=wait, write=pass_on)
    word = "attached to" if outcome.attached else "submitted"
    # Ray repeats the log, which has been seen, in the message.
    message = outcome.message.partition(", last available logs")[0]
    tell(f"{word} {outcome.submission_id}: {outcome.status} {message}".rstrip())
    if outcome.status in ("FAILED", "STOPPED"):
        raise typer.Exit(1)


@app.command()
def doctor(
    address: Annotated[str | None, typer.Option(envvar="RAY_ADDRESS", help="host:port of a Ray head to try.")] = None,
) -> None:
    """Show versions, hardware and whether Ray can be reached."""
    from quantray.distributed.cluster import check_reachable  # noqa: PLC0415

    rows = [("python", f"{platform.python_version()} on {platform.platform(terse=True)}")]
    for name in ("quantray", "ray", "numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "deltalake", "mlflow"):
        try:
            rows.append((name, version(name)))
        except PackageNotFoundError:
            rows.append((name, "not installed"))
    memory, disk = psutil.virtual_memory(), shutil.disk_usage(Path.cwd())
    rows.append(("cores", f"{psutil.cpu_count(logical=False)} physical, {os.cpu_count()} logical"))
    rows.append(("memory", f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"))
    rows.append(("disk here", f"{disk.free / 2**30:.1f} GiB free"))
    rows.append(("GPU", _gpus()))
    reachable = True
    if address is None:
        rows.append(("Ray cluster", "none named (set RAY_ADDRESS or --address); local runs start their own"))
    else:
        try:
            check_reachable(address)
            rows.append(("Ray cluster", f"{address} answers"))
        except (ClusterError, InputError) as error:
            reachable = False
            rows.append(("Ray cluster", str(error)))
    show_table(("", ""), rows, title="quantray doctor", head=False)
    if not reachable:
        raise typer.Exit(1)


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


def _run_file(config: str, changes: Sequence[str], *, check: bool, kind: str | None = None) -> None:
    """Run the study of a settings file."""
    from quantray.studies.kinds import read_study  # noqa: PLC0415

    found, settings = read_study(config, changes, kind=kind)
    if not check:
        _run(found, settings)


def _run(kind: "Kind[Any, Any, Any]", settings: "StudySettings") -> None:
    """Run a study where its settings say, and print what it found and where its report is."""
    from quantray.distributed.cluster import connect  # noqa: PLC0415
    from quantray.research.numerics import restart_portable  # noqa: PLC0415
    from quantray.research.run import carry_out  # noqa: PLC0415

    if settings.numerics == "portable":
        restart_portable()
    source = kind.load(settings)
    with connect(settings.cluster, shared_bytes=source.shared_bytes, alone=True) as executor:
        folder = carry_out(kind, source, executor)
    print_run(folder)


def _invoke(arguments: list[str]) -> None:
    """Run the command; an interrupt, which typer turns into exit code 130, is handed on as one."""
    try:
        app(arguments)
    except SystemExit as stop:
        if stop.code == 130:
            raise KeyboardInterrupt from stop
        raise


def _guarded(action: Callable[[], object], *, debug: bool) -> NoReturn:
    """Run and exit: one line for what quantray raises on purpose and for what the machine refuses, else a traceback."""
    ready_streams()
    try:
        action()
    except (QuantrayError, OSError, MemoryError) as error:
        if debug:
            raise
        tell(f"error: {_said(error)}", error=True)
        sys.exit(2 if isinstance(error, InputError) else 1)
    except KeyboardInterrupt:
        tell("interrupted; run the same command again to continue", error=True)
        sys.exit(3)
    sys.exit(0)


def _said(error: QuantrayError | OSError | MemoryError) -> str:
    """A line for an error; those of the operating system name a file and no remedy."""
    if isinstance(error, QuantrayError):
        return str(error)
    if isinstance(error, MemoryError):
        return "memory is exhausted; take fewer names or days, or a machine with more of it."
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{reason(error)}; free the way or choose another place (--debug tells where it happened)."


def _gpus() -> str:
    command = shutil.which("nvidia-smi")
    if command is None:
        return "none"
    query = [command, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "nvidia-smi does not answer"
    return "; ".join(answer.stdout.strip().splitlines()) or "none"


if __name__ == "__main__":
    main()
