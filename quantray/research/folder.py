"""A run folder as it is read: what ran, on what, what came out, and whether every file is what the run wrote.

``study.json`` holds the hash of every other file but the report and is sealed, as the report is.
"""

import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, TypeAdapter, ValidationError

from quantray.analytics.page import Page
from quantray.errors import DataError, InputError, first_line, reason
from quantray.printable import each_text, masked_addresses, masked_content, masked_uri
from quantray.research.market import MarketData, StoreData
from quantray.research.metering import Took
from quantray.research.progress import say
from quantray.settings import read_content
from quantray.storage.files import read_file
from quantray.storage.seals import fault, file_hash, seal_json

__all__ = [
    "LAYOUT",
    "MARK",
    "REPORT",
    "RESULTS",
    "About",
    "Run",
    "StoreSeen",
    "damage",
    "finished",
    "list_runs",
    "read_metrics",
    "read_page",
    "read_run",
    "written_file",
]

LAYOUT = 3
"""Of run folders; raised when an older quantray could not read what a newer one writes."""
_FIRST_SEALED = 2
MARK, REPORT, RESULTS = "study.json", "report.html", "results.txt"
"""What says that a run is whole, what is made of the rest, and the keys of the results that it used, one a line."""

V = TypeVar("V")


class StoreSeen(BaseModel):
    """The market store that a run read, so that a version that was lost, or is another one now, can be told."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uri: str
    version: int
    rows: int
    """That were written since the last import, up to the version."""

    @classmethod
    def of(cls, data: MarketData) -> "StoreSeen | None":
        """Of the data of a study; None where they are simulated."""
        chosen = data.settings
        if not isinstance(chosen, StoreData) or chosen.version is None:
            return None
        uri = masked_uri(chosen.store) if "://" in chosen.store else str(Path(chosen.store).resolve())
        return cls(uri=uri, version=chosen.version, rows=sum(report.n_rows_kept for report in data.quality))


def _inside(name: str) -> str:
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or "\0" in name:
        raise ValueError(f"{name!r} is no file of the folder")
    return name


class About(BaseModel):
    """``study.json``: what ran, on what, and what came out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: int
    kind: str
    name: str
    config_hash: str
    digest: str
    headline: str
    written: AwareDatetime
    """When the run ended."""
    data: str
    store: StoreSeen | None = None
    computed: int
    reused: int
    called: str
    """What was counted."""
    seconds: float
    took: Took | None = None
    """What it took besides; None of runs of older releases."""
    notes: tuple[str, ...]
    numerics: str
    """Class of the kernels that the driver computed with."""
    versions: dict[str, str]
    facts: dict[str, Any]
    files: dict[Annotated[str, AfterValidator(_inside)], str]
    """Name -> SHA-256 of every file that the run wrote, but this one and the report."""

    @property
    def work(self) -> str:
        """What the run took, in a line."""
        return f"{self.computed:,} {self.called} computed, {self.reused:,} reused, {self.seconds:.1f} s"

    @property
    def key(self) -> str:
        """Identity of what was studied and found."""
        return f"{self.config_hash}-{self.digest}"

    def sealed(self) -> bytes:
        """As it is kept, without secrets."""
        said = each_text(self.model_dump(), masked_addresses) | {"facts": masked_content(self.facts)}
        return seal_json(type(self).model_validate(said).model_dump_json(indent=2), MARK)


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


def read_run(folder: Path) -> Run:
    """What a folder says of its run.

    Raises
    ------
    DataError
        It holds no run, one of another layout, or ``study.json`` or ``settings.yaml`` is damaged.
    """
    about = _read_about(folder)
    if about is not None:
        written_file(folder, about, "settings.yaml")
    try:
        settings = read_content(folder / "settings.yaml")
    except InputError as error:
        raise DataError(
            f"{folder} is not a run folder: {first_line(error).rstrip('.')}; give a folder that a study wrote."
        ) from error
    return Run(folder=folder, settings=settings, about=about)


def finished(run: Run) -> About:
    """What a finished run says of itself.

    Raises
    ------
    DataError
        It has not finished.
    """
    if run.about is None:
        raise DataError(
            f"{run.folder} is not a finished run; run its settings again: quantray run {run.folder}/settings.yaml"
        )
    return run.about


def written_file(folder: Path, about: About, name: str) -> bytes:
    """A file as the run wrote it.

    Raises
    ------
    DataError
        It is missing, damaged or none of the run's.
    """
    path = folder / name
    remedy = "put back a copy, or run the study again, which computes only what is missing"
    try:
        content = read_file(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{path} is missing; {remedy}.") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {reason(error)}; {remedy}.") from error
    if file_hash(content) != about.files.get(name):
        raise DataError(f"{path} is damaged: it is not what the run wrote; {remedy}.")
    return content


def read_page(run: Run) -> Page:
    """The page of a finished run.

    Raises
    ------
    DataError
        The run has not finished, or the page is missing or damaged.
    """
    return _parsed(run, "page.json", Page.model_validate_json)


_METRICS = TypeAdapter(dict[str, dict[str, float | None]])


def read_metrics(run: Run) -> dict[str, dict[str, float | None]]:
    """The metrics of a finished run: of each thing compared, by name; raises as ``read_page``."""
    return _parsed(run, "metrics.json", _METRICS.validate_json)


def damage(run: Run, *, report: bool = True) -> list[str]:
    """What is wrong with the files of a finished run, a line a file.

    Parameters
    ----------
    report : whether it counts as one of them; it is made of the others.

    Raises
    ------
    DataError
        The run has not finished.
    """
    about, found = finished(run), []
    for name in about.files:
        try:
            written_file(run.folder, about, name)
        except DataError as error:
            found.append(str(error))
    if report and (wrong := _wrong_report(run.folder / REPORT, about)):
        found.append(f"{run.folder / REPORT} {wrong}; write it again: quantray report {run.folder}")
    return found


def _wrong_report(page: Path, about: About) -> str | None:
    try:
        return fault(read_file(page), about.key)
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {reason(error)}"


def list_runs(runs: Path) -> list[Run]:
    """The runs in a folder, those that finished last first, those that have not finished at the end.

    A folder that cannot be read is left out, and a line says so.
    """
    found = []
    for folder in sorted({path.parent for name in ("settings.yaml", MARK) for path in runs.glob(f"*/{name}")}):
        try:
            found.append(read_run(folder))
        except DataError as error:
            say(f"left out: {error}")
    return sorted(found, key=lambda run: (run.about is None, -run.about.written.timestamp() if run.about else 0.0))


def _read_about(folder: Path) -> About | None:
    path = folder / MARK
    if not path.exists():
        return None
    try:
        content = read_file(path)
        wrong = fault(content, MARK)
        said = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, reason(error)) from error
    if not isinstance(said, dict):
        raise _damaged(path, "it holds no entries")
    layout, wrote = said.get("layout"), said.get("versions")
    release = wrote.get("quantray", "?") if isinstance(wrote, dict) else "?"
    if wrong is None and isinstance(layout, int) and layout > LAYOUT:
        raise DataError(f"{folder} was written by a newer quantray ({release}); upgrade to read it.")
    if "seal" not in said and isinstance(layout, int) and layout < _FIRST_SEALED:
        raise DataError(
            f"{folder} was written by an older quantray ({release}); run its settings again: "
            f"quantray run {folder}/settings.yaml"
        )
    if wrong is not None:
        raise _damaged(path, f"it {wrong}")
    try:
        return About.model_validate({name: value for name, value in said.items() if name != "seal"})
    except (ValidationError, RecursionError) as error:
        raise _damaged(path, first_line(error)) from error


def _damaged(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} is damaged ({why}); put back a copy, or run the study again: quantray run "
        f"{path.with_name('settings.yaml')}"
    )


def _parsed(run: Run, name: str, parse: Callable[[bytes], V]) -> V:
    content = written_file(run.folder, finished(run), name)
    try:
        return parse(content)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{name} of {run.folder} cannot be read ({first_line(error)}); run its settings.yaml again."
        ) from error
