"""The run folder of any kind of study: written once, rendered again, listed.

``settings.yaml``, ``metrics.json``, ``page.json``, tables and other files are written first; ``study.json`` comes last
and says that the rest is whole and belongs together.
"""

import json
import math
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from quantray import __version__
from quantray.analytics.page import Page
from quantray.data.files import write_atomically
from quantray.errors import DataError
from quantray.research.executor import Executor
from quantray.research.kind import Findings, Kind, Source, StudySettings
from quantray.research.numerics import NOT_COMPARABLE, numerics_class
from quantray.research.progress import say
from quantray.research.tracking import TrackedRun, announce_trouble, track
from quantray.settings import as_mapping, flattened, to_yaml

__all__ = ["About", "Run", "carry_out", "list_runs", "read_page", "read_run", "render", "write"]

_LAYOUT = 1
"""Of run folders; raised when an older quantray could not read what a newer one writes."""
_LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas", "cvxpy", "clarabel", "torch", "optuna", "ray")
_MARK = "study.json"

S = TypeVar("S", bound=StudySettings)
P = TypeVar("P")
R = TypeVar("R")


class About(BaseModel):
    """``study.json``: what ran, on what, and what came out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: int
    kind: str
    name: str
    config_hash: str
    digest: str
    headline: str
    written: datetime
    """When the run ended."""
    data: str
    computed: int
    reused: int
    called: str
    """What was counted."""
    seconds: float
    notes: tuple[str, ...]
    numerics: str
    """Class of the kernels that the driver computed with."""
    versions: dict[str, str]
    facts: dict[str, Any]

    @property
    def work(self) -> str:
        """What the run took, in a line."""
        return f"{self.computed:,} {self.called} computed, {self.reused:,} reused, {self.seconds:.1f} s"


class Run(BaseModel):
    """A folder of a run; of one that has not finished, its settings only."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    folder: Path
    settings: dict[str, Any]
    about: About | None
    """None of a run that has not finished."""

    @property
    def kind(self) -> str:
        """As its settings say it."""
        return str(self.settings.get("kind", "?"))


def carry_out(kind: Kind[S, P, R], source: Source[S, P], executor: Executor) -> Path:
    """Run a study and write its folder, which it returns; the same call again computes only what is not there yet.

    Raises
    ------
    DataError
        The folder cannot be written; and whatever the kind's functions raise.
    """
    announce_trouble(source.settings.tracking)
    if not (source.folder / _MARK).exists():
        # So that a run that does not finish can be seen.
        write_atomically(source.folder / "settings.yaml", to_yaml(source.settings))
    return write(kind.name, source, kind.findings(source, kind.run(source, executor)))


def write(kind: str, source: Source[Any, Any], findings: Findings) -> Path:
    """Write the folder of a run, and track it where the settings ask for that; returns the folder.

    Raises
    ------
    DataError
        The folder cannot be written.
    """
    settings, folder = source.settings, source.folder
    about = About(
        layout=_LAYOUT,
        kind=kind,
        name=settings.name,
        config_hash=source.identity,
        digest=findings.digest,
        headline=findings.page.headline,
        written=datetime.now(UTC).replace(microsecond=0),
        data=source.data.description,
        computed=findings.work.computed,
        reused=findings.work.reused,
        called=findings.work.called,
        seconds=round(findings.work.seconds, 3),
        notes=findings.notes + ((NOT_COMPARABLE,) if settings.numerics == "any" else ()),
        numerics=str(numerics_class(torch="torch" in sys.modules)),
        versions={"quantray": __version__} | _versions(),
        facts=dict(findings.facts),
    )
    metrics = {name: {key: _finite(v) for key, v in row.items()} for name, row in findings.metrics.items()}
    try:
        (folder / _MARK).unlink(missing_ok=True)
        for name, table in findings.tables.items():
            _write_table(folder / f"{name}.parquet", table)
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror or error}; free space or set runs=.") from error
    write_atomically(folder / "settings.yaml", to_yaml(settings))
    write_atomically(folder / "metrics.json", json.dumps(metrics, indent=2))
    write_atomically(folder / "page.json", findings.page.model_dump_json())
    for name, text in findings.files.items():
        write_atomically(folder / name, text)
    write_atomically(folder / _MARK, about.model_dump_json(indent=2))
    report = render(folder)
    flat = {f"{name}.{key}".replace(" ", "_"): v for name, row in metrics.items() for key, v in row.items()}
    tracked = TrackedRun(
        name=settings.name,
        key=f"{source.identity}-{findings.digest}",
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
        As ``read_run``, or the page in the folder is damaged.
    """
    run = read_run(folder)
    if run.about is None:
        raise DataError(f"{folder} is not a finished run; run its settings again: quantray run {folder}/settings.yaml")
    about, page = run.about, read_page(folder)
    versions = ", ".join(f"{name} {number}" for name, number in about.versions.items())
    reproduction = (
        f"Digest of all results {about.digest}, settings {about.config_hash}; {about.work}, with "
        f"{versions}; kernels {about.numerics}.",
        *about.notes,
    )
    shown = {key: str(value) for key, value in flattened(run.settings).items()}
    path = folder / "report.html"
    write_atomically(path, page.html(reproduction, shown))
    return path


def read_run(folder: Path) -> Run:
    """What a folder says of its run.

    Raises
    ------
    DataError
        It holds no run, or one that a newer quantray wrote.
    """
    try:
        settings = yaml.safe_load((folder / "settings.yaml").read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError("settings.yaml holds no settings")
        mark = folder / _MARK
        content = json.loads(mark.read_text(encoding="utf-8")) if mark.exists() else None
        if content is not None and isinstance(content, dict) and content.get("layout", _LAYOUT) > _LAYOUT:
            wrote = content.get("versions", {}).get("quantray", "?")
            raise DataError(f"{folder} was written by a newer quantray ({wrote}); upgrade to read it.")
        about = None if content is None else About.model_validate(content)
    except (OSError, ValueError, TypeError, AttributeError, yaml.YAMLError) as error:
        reason = "; ".join(str(error).split("\n")[:1])
        raise DataError(f"{folder} is not a run folder: {reason}; give a folder that a study wrote.") from error
    return Run(folder=folder, settings=settings, about=about)


def read_page(folder: Path) -> Page:
    """The page of a finished run.

    Raises
    ------
    DataError
        It is missing or damaged.
    """
    try:
        return Page.model_validate_json((folder / "page.json").read_text(encoding="utf-8"))
    except (OSError, ValidationError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"page.json of {folder} cannot be read ({reason}); run its settings.yaml again.") from error


def list_runs(runs: Path) -> list[Run]:
    """The runs in a folder, those that finished last first, those that have not finished at the end.

    A folder that cannot be read is left out, and a line says so.
    """
    found = []
    for folder in sorted(path.parent for path in runs.glob("*/settings.yaml")):
        try:
            found.append(read_run(folder))
        except DataError as error:
            say(f"left out: {error}")
    return sorted(found, key=lambda run: (run.about is None, -run.about.written.timestamp() if run.about else 0.0))


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _write_table(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def _finite(value: float | None) -> float | None:
    """JSON has no NaN; what has no value is null."""
    return None if value is None or not math.isfinite(value) else float(value)
