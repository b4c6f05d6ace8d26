"""Processor time of every unit of a study, in order, and of the process that leads it between them."""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import process_time
from typing import Any

import cvxpy  # noqa: F401  (loaded beforehand, as are the next two, so that no unit's time contains their loading)
import sklearn.covariance  # noqa: F401
import torch  # noqa: F401
from _record import RESULTS, versions, write_line
from _stall import Recorded, Step

from quantray.research.executor import Serial, Shared
from quantray.studies.kinds import read_study

NAME = "unit_times"
_REPEATS = 3


@dataclass(eq=False)
class _Recording:
    """Works in this process, and notes what everything takes."""

    steps: list[Step] = field(default_factory=list)
    _inner: Serial = field(default_factory=Serial)
    _mark: float = field(default_factory=process_time)

    def put(self, value: Any) -> Shared[Any]:
        return self._inner.put(value)

    def map(self, fn: Callable[[Any, Any], Any], items: Iterable[Any], *, shared: Any) -> Iterator[Any]:
        stored = shared if isinstance(shared, Shared) else self.put(shared)
        before, taken = self.lap(), []
        for item in items:
            begin = process_time()
            (result,) = self._inner.map(fn, [item], shared=stored)
            taken.append(process_time() - begin)
            yield result
        self.steps.append(Step(before, tuple(taken)))
        self._mark += sum(taken)

    def close(self) -> None:
        self._inner.close()

    def lap(self) -> float:
        """Processor time of the leading process since it was asked last."""
        now = process_time()
        passed, self._mark = now - self._mark, now
        return passed


def record(path: Path) -> Recorded:
    """Run the study of a settings file from nothing, in one process, and write a line of what it took.

    It runs three times, and of each unit, and of the leading process between units, the least time is kept: the rest is
    of other programs, and of what is loaded first.
    """
    runs = [_run(path) for _ in range(_REPEATS)]
    steps = tuple(_least(*alike) for alike in zip(*(run.steps for run in runs), strict=True))
    found = replace(runs[0], steps=steps)
    write_line(
        NAME,
        {
            "study": found.study,
            "shared_bytes": found.shared_bytes,
            "steps": [[round(step.driver_seconds, 4), [round(unit, 4) for unit in step.units]] for step in found.steps],
            "repeats": _REPEATS,
            "versions": versions("numpy", "scipy"),
        },
    )
    return found


def _run(path: Path) -> Recorded:
    with tempfile.TemporaryDirectory() as runs:
        kind, settings = read_study(path, [f"runs={runs}", "cluster.kind=serial"])
        source = kind.load(settings)
        recording = _Recording()
        kind.findings(source, kind.run(source, recording))
        steps = (*recording.steps, Step(recording.lap()))
    return Recorded(f"{kind.name} {settings.name}", steps, source.shared_bytes)


def _least(*steps: Step) -> Step:
    units = zip(*(step.units for step in steps), strict=True)
    return Step(min(step.driver_seconds for step in steps), tuple(min(times) for times in units))


def recorded() -> list[Recorded]:
    """The largest study of each kind, of every name the last; a smaller one tells what does not grow with the units."""
    path, found = RESULTS / f"{NAME}.jsonl", {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        content = json.loads(line)
        steps = tuple(Step(driver, tuple(units)) for driver, units in content["steps"])
        found[content["study"]] = Recorded(content["study"], steps, content["shared_bytes"])
    kinds: dict[str, list[Recorded]] = {}
    for study in found.values():
        kinds.setdefault(study.study.split()[0], []).append(study)
    return [_with_fixed(*sorted(some, key=lambda study: study.units)) for some in kinds.values()]


def _with_fixed(small: Recorded, *larger: Recorded) -> Recorded:
    if not larger or larger[-1].units == small.units:
        return small
    large = larger[-1]
    each = (large.driver_seconds - small.driver_seconds) / (large.units - small.units)
    return replace(large, fixed_seconds=min(large.driver_seconds, max(0.0, large.driver_seconds - each * large.units)))
