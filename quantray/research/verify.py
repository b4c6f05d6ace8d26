"""Whether all that a run kept, and all that it came from, is still what it was."""

import re
from dataclasses import dataclass
from pathlib import Path

from quantray.data.store import MarketStore, Version
from quantray.errors import DataError
from quantray.printable import is_masked
from quantray.research.folder import RESULTS, About, Run, StoreSeen, damage, finished, read_run, written_file
from quantray.research.results import ResultState, ResultStore
from quantray.storage.locks import alone

__all__ = ["Verified", "verify_run"]

_KEY = re.compile(r"[A-Za-z0-9_-]{1,200}")


@dataclass(frozen=True)
class Verified:
    """What a run was compared with."""

    damage: tuple[str, ...]
    """A line for each file that is not as it was, with what to do about it."""
    checked: tuple[str, ...]
    """What was looked at, a sentence each."""


def verify_run(folder: Path) -> Verified:
    """Compare every file of a finished run, the results that it used, and the market store that it read.

    Raises
    ------
    DataError
        As ``folder.read_run``; or the run has not finished.
    """
    with alone(folder):
        run = read_run(folder)
        about, wrong = finished(run), damage(run)
    parts = [Verified(tuple(wrong), (f"{len(about.files) + 1} files and the report.",))]
    if RESULTS in about.files:
        parts.append(_results(run, about))
    if about.store is not None:
        parts.append(_store(about.store))
    return Verified(
        tuple(line for part in parts for line in part.damage), tuple(line for part in parts for line in part.checked)
    )


def _results(run: Run, about: About) -> Verified:
    """The results that the run used, which lie beside its folder."""
    try:
        keys = written_file(run.folder, about, RESULTS).decode(errors="replace").split()
    except DataError:
        return _fine("The results were not compared, for their list is damaged.")
    if strange := [key for key in keys if not _KEY.fullmatch(key)]:
        return _wrong(f"{run.folder / RESULTS} names {strange[0][:60]!r}, which is no result; run the study again.")
    store = ResultStore(run.folder.resolve().parent / "results")
    words = {ResultState.ABSENT: "missing", ResultState.DAMAGED: "damaged"}
    remedy = f"compute it again: quantray run {run.folder}/settings.yaml"
    states = {key: store.state(key) for key in keys}
    wrong = [f"{store.path(key)} is {words[state]}; {remedy}" for key, state in states.items() if state in words]
    return Verified(tuple(wrong), (f"{len(keys):,} results in {store.root}.",))


def _store(seen: StoreSeen) -> Verified:
    """The version of the market store that the run read, and its rows."""
    uri, number = seen.uri, seen.version
    if is_masked(uri):
        return _fine(f"The market store {uri} asks for a login, so its version {number} was not compared.")
    if "://" not in uri and not Path(uri).is_dir():
        return _fine(f"The market store {uri} is not here, so its version {number} was not compared.")
    try:
        versions = MarketStore(uri).versions()
    except DataError as error:
        return _wrong(str(error))
    if versions[-1].number < number:
        return _wrong(
            f"{uri} ends with version {versions[-1].number}, and the run read version {number}: its last commits are "
            "lost; put back a copy of its _delta_log, or import the data again."
        )
    if (rows := _rows(versions, number)) != seen.rows:
        return _wrong(
            f"{uri} has {rows:,} rows in version {number}, and the run read {seen.rows:,}: it is not what it was; put "
            "back a copy, or run the settings again on what is there now."
        )
    every = f"`quantray data verify --store {uri}` looks at every byte"
    return _fine(f"Market store {uri}: version {number} with {rows:,} rows; {every}.")


def _rows(versions: tuple[Version, ...], number: int) -> int:
    """Rows written since the last import, up to a version."""
    written = [version for version in versions if version.number <= number]
    start = max((i for i, version in enumerate(written) if version.operation == "import"), default=0)
    return sum(version.n_rows for version in written[start:])


def _wrong(line: str) -> Verified:
    return Verified((line,), ())


def _fine(line: str) -> Verified:
    return Verified((), (line,))
