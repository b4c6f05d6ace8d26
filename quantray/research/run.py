"""The run folder of any kind of study: written once, whole or not at all, and rendered again.

``settings.yaml``, ``metrics.json``, ``page.json``, tables and other files are written first; ``study.json`` comes last
and says, with the hash of each, that the rest is whole and belongs together.
"""

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from quantray import __version__
from quantray.analytics.page import Page
from quantray.errors import DataError, reason
from quantray.research.executor import Executor
from quantray.research.folder import (
    LAYOUT,
    MARK,
    REPORT,
    RESULTS,
    About,
    Run,
    StoreSeen,
    damage,
    finished,
    read_page,
    read_run,
)
from quantray.research.kind import Findings, Kind, Source, StudySettings
from quantray.research.metering import Meter, Took
from quantray.research.numerics import NOT_COMPARABLE, numerics_class
from quantray.research.progress import say
from quantray.research.tracking import TrackedRun, announce_trouble, track
from quantray.research.units import metered
from quantray.settings import as_mapping, flattened, to_yaml
from quantray.storage.files import make_folder, write_atomically
from quantray.storage.locks import alone
from quantray.storage.seals import file_hash, seal_html, to_parquet

__all__ = ["carry_out", "render", "write"]

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas", "cvxpy", "clarabel", "torch", "optuna", "ray")

S = TypeVar("S", bound=StudySettings)
P = TypeVar("P")
R = TypeVar("R")


def carry_out(kind: Kind[S, P, R], source: Source[S, P], executor: Executor) -> Path:
    """Run a study and write its folder, which it returns; the same call again computes only what is not there yet.

    Raises
    ------
    DataError
        The folder cannot be written; and whatever the kind's functions raise.
    """
    announce_trouble(source.settings.tracking)
    with _held(source.folder):
        if not (source.folder / MARK).exists():
            # So that a run that does not finish can be seen.
            write_atomically(source.folder / "settings.yaml", to_yaml(source.settings))
    with metered() as meter:
        findings = kind.findings(source, kind.run(source, executor))
        return write(kind.name, source, findings, meter.keys, meter)


def write(
    kind: str,
    source: Source[Any, Any],
    findings: Findings,
    keys: Sequence[str] = (),
    meter: Meter | None = None,
) -> Path:
    """Write the folder of a run, and track it where the settings ask for that; returns the folder.

    Two runs of the same study that end together write it one after the other.

    Parameters
    ----------
    keys : of the results that the findings came from.
    meter : that noted what the run took.

    Raises
    ------
    DataError
        The folder cannot be written.
    """
    settings, folder = source.settings, source.folder
    metrics = {name: {key: _finite(v) for key, v in row.items()} for name, row in findings.metrics.items()}
    with _held(folder):
        _unmark(folder)
        hashes, written = {}, 0
        for name, content in _contents(settings, findings, metrics, keys):
            write_atomically(folder / name, content)
            hashes[name] = file_hash(content)
            written += len(content)
        took = None if meter is None else meter.took(settings.results.size(keys), written)
        about = _about(kind, source, findings, hashes, took)
        write_atomically(folder / MARK, about.sealed())
        report = _write_report(read_run(folder), about, findings.page)
    flat = {f"{name}.{key}".replace(" ", "_"): v for name, row in metrics.items() for key, v in row.items()}
    tracked = TrackedRun(
        name=settings.name,
        key=about.key,
        settings=as_mapping(settings),
        metrics={key: value for key, value in flat.items() if value is not None},
        artifacts=(report, folder / "settings.yaml", folder / "metrics.json"),
    )
    track((*findings.trials, tracked), settings.tracking, Path(settings.runs))
    return folder


def render(folder: Path) -> Path:
    """Write ``report.html`` of a finished run of any kind from what its folder holds; returns the file.

    Raises
    ------
    DataError
        As ``read_run``, or a file is missing or not what the run wrote; all such are named.
    """
    with alone(folder):
        run = read_run(folder)
        about = finished(run)
        if wrong := damage(run, report=False):
            raise DataError(" ".join(wrong))
        return _write_report(run, about, read_page(run))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Alone with a folder that is made where it is not there; where there are no locks, a line says so."""
    make_folder(folder)
    with alone(folder) as locked:
        if not locked:
            say(f"{folder.parent} has no locks: two runs of the same study that end together could mix their files")
        yield


def _unmark(folder: Path) -> None:
    try:
        (folder / MARK).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"cannot write {folder}: {reason(error)}; choose another folder.") from error


def _contents(
    settings: StudySettings, findings: Findings, metrics: Mapping[str, Any], keys: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    """Every file of a run but its mark and its report, by name."""
    for name, table in findings.tables.items():
        yield f"{name}.parquet", to_parquet(table, Path(name).name)
    yield "settings.yaml", to_yaml(settings).encode()
    yield "metrics.json", json.dumps(metrics, indent=2).encode()
    yield "page.json", findings.page.kept().encode()
    for name, text in findings.files.items():
        yield name, text.encode()
    if keys:
        yield RESULTS, "".join(f"{key}\n" for key in dict.fromkeys(keys)).encode()


def _about(
    kind: str, source: Source[Any, Any], findings: Findings, hashes: Mapping[str, str], took: Took | None
) -> About:
    settings, work = source.settings, findings.work
    return About(
        layout=LAYOUT,
        kind=kind,
        name=settings.name,
        config_hash=source.identity,
        digest=findings.digest,
        headline=findings.page.headline,
        written=datetime.now(UTC).replace(microsecond=0),
        data=source.data.description,
        store=StoreSeen.of(source.data),
        computed=work.computed,
        reused=work.reused,
        called=work.called,
        seconds=round(work.seconds, 3),
        took=took,
        notes=findings.notes + ((NOT_COMPARABLE,) if settings.numerics == "any" else ()),
        numerics=str(numerics_class(torch="torch" in sys.modules)),
        versions={"quantray": __version__} | _versions(),
        facts=dict(findings.facts),
        files=dict(hashes),
    )


def _write_report(run: Run, about: About, page: Page) -> Path:
    versions = ", ".join(f"{name} {number}" for name, number in about.versions.items())
    reproduction = (
        f"Digest of all results {about.digest}, settings {about.config_hash}; {about.work}, with "
        f"{versions}; kernels {about.numerics}.",
        *about.notes,
    )
    shown = {key: str(value) for key, value in flattened(run.settings).items()}
    path = run.folder / REPORT
    write_atomically(path, seal_html(page.html(reproduction, shown), about.key))
    return path


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _finite(value: float | None) -> float | None:
    """JSON has no NaN; what has no value is null."""
    return None if value is None or not math.isfinite(value) else float(value)
