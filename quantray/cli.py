"""The command line: verbs that parse, call one function and print.

Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 interrupted and resumable.
"""

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from quantray.audit_commands import audit_app
from quantray.cluster_commands import doctor, submit
from quantray.data_commands import data_app
from quantray.errors import InputError, QuantrayError, reason
from quantray.list_commands import list_offers
from quantray.oms_commands import oms_app
from quantray.plan_commands import plan
from quantray.run_commands import compare, export, report, risk, runs, schedule, verify
from quantray.service_commands import backup, keys_app, rebalance, restore, serve, watch
from quantray.tables import print_run
from quantray.terminal import ready_streams, tell
from quantray.trading_commands import trade
from quantray.venue_commands import venue_app

__all__ = ["app", "main", "run_workflow"]

if TYPE_CHECKING:
    from quantray.research.kind import Kind, StudySettings

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
app.add_typer(data_app, name="data")
app.add_typer(keys_app, name="keys")
app.add_typer(oms_app, name="oms")
app.add_typer(venue_app, name="venue")
app.add_typer(audit_app, name="audit")
_OF_RUNS = (report, verify, risk, schedule, export, runs, compare)
for verb in (plan, *_OF_RUNS, rebalance, trade, serve, watch, backup, restore, submit, doctor):
    app.command()(verb)
app.command("list")(list_offers)


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
def init(folder: Annotated[Path, typer.Argument(help="Folder to fill; made if it is not there.")]) -> None:
    """Fill a folder with the programs of all kinds of study and their commented settings."""
    from quantray.starter import write_starter  # noqa: PLC0415

    written = write_starter(folder)
    programs = sum(path.suffix == ".py" for path in written)
    tell(f"written: {programs} programs and {len(written) - programs} settings in {folder / 'workflows'}")
    tell(f"try: cd {shlex.quote(str(folder))} && quantray run workflows/configs/demo.yaml")


@app.command()
def new(
    what: Annotated[str, typer.Argument(help="allocator, forecaster or strategy.")],
    name: Annotated[str, typer.Argument(help="Of the module and of what it holds, such as my_idea.")],
    folder: Annotated[Path, typer.Option(help="Folder to write to; made if it is not there.")] = Path(),
) -> None:
    """Begin an idea of your own: a file with the protocol, settings that use it and a test of the laws."""
    from quantray.own_starter import write_own  # noqa: PLC0415

    written = write_own(what, name, folder)
    tell(f"written: {', '.join(map(str, written))}")
    here = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    tell(f"try: {here}PYTHONPATH=. quantray run {name}.yaml; test: {here}python -m pytest test_{name}.py")


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


if __name__ == "__main__":
    main()
