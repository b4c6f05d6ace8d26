"""What a study will take, before it runs: miniatures of it run for some seconds, and its shape carries over their cost.

A miniature is a study of the same kind on the same names with fewer days, folds or sets. It runs as a run does, in this
process, and notes what it took as a run does. What each part and the driver took is split, without negative shares,
among what their time grows with; the whole study has so much of each.
"""

import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psutil
from scipy.optimize import nnls

from quantray.arrays import Float
from quantray.errors import InputError
from quantray.research.executor import Serial
from quantray.research.folder import finished, read_run
from quantray.research.kind import Kind, Source
from quantray.research.metering import Clock, PartTook, Spent, Took, forget_peak
from quantray.research.progress import say
from quantray.research.run import write
from quantray.research.sizing import Outline, Part, Sizing
from quantray.research.terms import ClusterSettings, TrackingSettings
from quantray.research.units import metered

__all__ = ["PlannedPart", "StudyPlan", "plan_study"]

_FIRST = 0.02
"""Share of the work that the first miniature is about."""
_GROWTH = 3.0
"""At most so much larger than the one before is the next."""
_LEAST_GROWTH = 1.5
"""Miniatures that are closer in size tell little from one another."""
_MOST = 4
"""Miniatures."""
_TIE = 0.5
"""Of prices of the driver's work, of which most is alike in all miniatures, so that they hardly tell the rest apart."""


@dataclass(frozen=True)
class PlannedPart:
    """Units of a study that are alike."""

    name: str
    units: int
    seconds: float
    """All of them, one after the other."""
    cpu_seconds: float
    at_once: int | None = None
    """Units that can be worked on at a time; None for all."""


@dataclass(frozen=True, eq=False)
class StudyPlan:
    """What a study that finds nothing of earlier runs will take."""

    name: str
    kind: str
    parts: tuple[PlannedPart, ...]
    driver_seconds: float
    """Of the process that leads it, besides units: loading, accounts, evaluation and files."""
    driver_cpu_seconds: float
    shared_bytes: int
    """Data that all units read; once on each machine."""
    worker_bytes: int
    """A process that works on units, with the data."""
    driver_bytes: int
    """The process that leads, with the data and with results as they come in; also where it does all units itself."""
    disk_bytes: int
    """Results and files of the run, its report left out."""
    calibration_seconds: float
    miniatures: tuple[float, ...]
    """Share of the study that each was about."""
    notes: tuple[str, ...] = ()
    aum: float | None = None
    """Money that the study is about, where its settings say."""

    @property
    def units(self) -> int:
        """Units of work."""
        return sum(part.units for part in self.parts)

    @property
    def unit_seconds(self) -> float:
        """All units, one after the other."""
        return sum(part.seconds for part in self.parts)

    @property
    def seconds(self) -> float:
        """All in one process."""
        return self.driver_seconds + self.unit_seconds

    @property
    def cpu_seconds(self) -> float:
        """Of all processes."""
        return self.driver_cpu_seconds + sum(part.cpu_seconds for part in self.parts)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What a miniature was and took."""

    share: float
    outline: Outline
    took: Took
    held_bytes: int
    """By this process before it."""
    data_bytes: int
    """Of its own."""

    @property
    def measures(self) -> tuple[float, ...]:
        """What the driver's time grows with."""
        return (1.0, *self.outline.driver)


@dataclass(frozen=True, eq=False)
class _Rehearsal:
    """Miniatures of a study."""

    cold: _Seen
    """The first, run once before, so that libraries were loaded in it and in no other."""
    seen: tuple[_Seen, ...]

    def driver(self, outline: Outline, cost: Callable[[Took], float]) -> float:
        """What a whole study costs its driver, loading of libraries included."""
        loading = max(0.0, _whole(self.cold.took, cost) - _whole(self.seen[0].took, cost))
        costs = [cost(each.took) for each in self.seen]
        return loading + _carried([each.measures for each in self.seen], costs, _goal(outline), tie=_TIE)

    def unit_bytes(self, outline: Outline) -> int:
        """What a process holds for its largest unit beyond the data, libraries included."""
        last, most = self.seen[-1], self._extra(self.cold, self.cold.took.parts)
        for name, part in outline.parts.items():
            if name in last.took.parts:
                grown = max(1.0, part.largest / last.outline.parts[name].largest)
                extra = self._extra(last, {name: last.took.parts[name]})
                most = max(most, last.held_bytes - self.cold.held_bytes + grown * extra)
        return int(most)

    def driver_bytes(self, data_bytes: int) -> int:
        """Most that the driver holds."""
        extra = [each.took.driver_peak_bytes - each.held_bytes for each in self.seen]
        # What is held of a study is made of its data: copies of them, and series on their days.
        grown = _carried([(1.0, float(each.data_bytes)) for each in self.seen], extra, (1.0, float(data_bytes)))
        loaded = self.seen[-1].held_bytes - self.cold.held_bytes
        first = self.cold.took.driver_peak_bytes - self.cold.held_bytes
        return int(self.cold.held_bytes + max(first, loaded + grown))

    def disk_bytes(self, outline: Outline) -> int:
        """Results and files."""
        results = [each.took.results_bytes for each in self.seen]
        kept = _carried([_results(each.outline, outline) for each in self.seen], results, _results(outline, outline))
        files = [each.took.files_bytes for each in self.seen]
        return int(kept + _carried([(each.outline.tables, 1.0) for each in self.seen], files, (outline.tables, 1.0)))

    @staticmethod
    def _extra(seen: _Seen, parts: Mapping[str, PartTook]) -> float:
        return float(max([0, *(part.peak_bytes - seen.held_bytes for part in parts.values())]))


def plan_study(kind: Kind[Any, Any, Any], settings: Any, *, calibrate: float = 20.0) -> StudyPlan:
    """Load the data of a study, run miniatures of it for some seconds, and carry over what they took.

    Parameters
    ----------
    calibrate : seconds that the miniatures may take on a machine that has nothing else to do. The first two run in any
        case, and a next one only if, by what the ones before took, it is done in time.

    Raises
    ------
    InputError
        The kind says nothing of its shape; and as its ``load``.
    DataError, SolverError
        As a run of the kind would.
    """
    if kind.sizing is None:
        raise InputError(f"kind {kind.name} cannot be planned: its Kind has no sizing; see quantray.research.sizing.")
    base, clock = psutil.Process().memory_info().rss, Clock()
    source = kind.load(settings)
    loading = clock.spent()
    rehearsal, found = _rehearse(kind, kind.sizing, source, calibrate)
    outline = kind.sizing.outline(source, found)
    return StudyPlan(
        name=settings.name,
        kind=kind.name,
        parts=tuple(_planned(name, part, rehearsal.seen) for name, part in outline.parts.items()),
        driver_seconds=min(loading.seconds, loading.cpu_seconds) + rehearsal.driver(outline, _driver_seconds),
        driver_cpu_seconds=loading.cpu_seconds + rehearsal.driver(outline, lambda took: took.driver_cpu_seconds),
        shared_bytes=source.shared_bytes,
        worker_bytes=base + source.shared_bytes + rehearsal.unit_bytes(outline),
        driver_bytes=max(loading.peak_bytes, rehearsal.driver_bytes(source.shared_bytes)),
        disk_bytes=rehearsal.disk_bytes(outline),
        calibration_seconds=clock.spent().seconds - loading.seconds,
        miniatures=tuple(each.share for each in rehearsal.seen),
        notes=outline.notes,
        aum=_aum(settings),
    )


def _rehearse(
    kind: Kind[Any, Any, Any], sizing: Sizing, source: Source[Any, Any], calibrate: float
) -> tuple[_Rehearsal, Any]:
    """Run miniatures as long as time is left; gives them and what the last one found, if it left nothing out."""
    clock, goal = Clock(), sizing.outline(source, None)
    share = _apart(sizing, source, goal, 0.0, _FIRST)
    say(f"a miniature of {source.settings.name} loads libraries ...")
    cold, _ = _run_small(kind, sizing, source, share)
    seen: list[_Seen] = []
    while True:
        one, found = _run_small(kind, sizing, source, share)
        seen.append(one)
        spent, work = _alone(clock.spent()), _work(one.outline, goal)
        say(f"a miniature of {work:.1%} of {source.settings.name} took {one.took.seconds:.1f} s")
        if share >= 1 or len(seen) == _MOST:
            break
        growth = min(_GROWTH, max(0.0, calibrate - spent) / max(_alone(one.took), 1e-3))
        if len(seen) > 1 and growth < _LEAST_GROWTH:
            break
        share = _apart(sizing, source, goal, max(growth, _LEAST_GROWTH) * work, share)
    return _Rehearsal(cold, tuple(seen)), found if share >= 1 else None


def _apart(sizing: Sizing, source: Source[Any, Any], goal: Outline, work: float, share: float) -> float:
    """The least share, of some that grow by a quarter each, whose miniature is of so much work."""
    while share < 1 and _work(sizing.outline(sizing.smaller(source, share), None), goal) < work:
        share = min(1.0, 1.25 * share)
    return share


def _work(outline: Outline, goal: Outline) -> float:
    """How much of a study a miniature is: the mean over all that its time grows with."""
    pairs = list(zip(outline.driver, goal.driver, strict=True))
    for name, part in outline.parts.items():
        pairs += zip(part.size, goal.parts[name].size, strict=True)
    return float(np.mean([small / whole for small, whole in pairs if whole > 0] or [1.0]))


def _run_small(kind: Kind[Any, Any, Any], sizing: Sizing, source: Source[Any, Any], share: float) -> tuple[_Seen, Any]:
    small = sizing.smaller(source, share)
    with tempfile.TemporaryDirectory(prefix="quantray-plan-") as folder:
        here = {"runs": folder, "tracking": TrackingSettings(), "cluster": _serial(source.settings.cluster)}
        small = replace(small, settings=small.settings.model_copy(update=here))
        forget_peak()
        held = psutil.Process().memory_info().rss
        with _quiet(), metered() as meter:
            executor = Serial(threads=source.settings.threads)
            if sizing.run is not None:
                result = sizing.run(small, executor)
                took = meter.took(small.settings.results.size(meter.keys))
            else:
                result = kind.run(small, executor)
                written = write(kind.name, small, kind.findings(small, result), meter.keys, meter)
                about = finished(read_run(written))
                assert about.took is not None, "it was metered"
                took = about.took
    return _Seen(share, sizing.outline(small, result), took, held, small.shared_bytes), result


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the lines and warnings of a study whose numbers mean nothing."""
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def _serial(cluster: ClusterSettings) -> ClusterSettings:
    return ClusterSettings(kind="serial", cpus_per_task=cluster.cpus_per_task)


def _carried(
    sizes: Sequence[Sequence[float]], costs: Sequence[float], goal: Sequence[float], *, tie: float = 0.0
) -> float:
    """The cost of something of a size, from the costs of things of other sizes; all in the same measures.

    Each measure has a price, which is not negative; the prices that come closest to the costs are taken. With a tie
    those of what grows are drawn to their mean, the more the less the costs tell of each.
    """
    whole = np.asarray(goal, dtype=np.float64)
    known = whole > 0
    if not known.any() or not len(costs):
        return 0.0
    shares: Float = np.asarray(sizes, dtype=np.float64)[:, known] / whole[known]
    # What came near to the whole says more of it.
    weight = np.sqrt(shares.max(axis=1))
    rows = np.vstack([shares * weight[:, None], tie * _apart_from_mean(shares, weight)])
    prices, _ = nnls(rows, np.append(np.asarray(costs) * weight, np.zeros(len(rows) - len(weight))))
    return float(prices.sum())


def _apart_from_mean(shares: Float, weight: Float) -> Float:
    """What the prices of measures that grow are apart from their mean, on the scale of the shares."""
    grows = np.flatnonzero((shares < 1).any(axis=0))
    out = np.zeros((len(grows), shares.shape[1]))
    if len(grows):
        out[:, grows] = np.eye(len(grows)) - 1 / len(grows)
        out *= (weight[:, None] * shares[:, grows]).max()
    return out


def _planned(name: str, part: Part, seen: Sequence[_Seen]) -> PlannedPart:
    known = [(each.outline.parts[name], each.took.parts[name]) for each in seen if name in each.took.parts]
    if not known:
        raise InputError(f"no miniature had units of {name}, so that nothing is known of them; give --calibrate more.")
    # Units that turned out to be the same one ran once.
    sizes = [[took.units / small.units * each for each in _measures(small)] for small, took in known]
    seconds = _carried(sizes, [_alone(took) for _, took in known], _measures(part))
    cpu = _carried(sizes, [took.cpu_seconds for _, took in known], _measures(part))
    return PlannedPart(name, part.units, seconds, cpu, part.at_once)


def _measures(part: Part) -> tuple[float, ...]:
    return (float(part.units), *part.size)


def _driver_seconds(took: Took) -> float:
    return min(took.driver_cpu_seconds, max(0.0, took.seconds - sum(part.seconds for part in took.parts.values())))


def _alone(spent: Spent | PartTook | Took) -> float:
    """Of a machine that has nothing else to do: neither the time that other programs took, nor that of many threads."""
    return min(spent.seconds, spent.cpu_seconds)


def _whole(took: Took, cost: Callable[[Took], float]) -> float:
    """A cost of the driver and of its units, of whichever measure."""
    units = sum(_alone(p) if cost is _driver_seconds else p.cpu_seconds for p in took.parts.values())
    return cost(took) + units


def _goal(outline: Outline) -> tuple[float, ...]:
    return (1.0, *outline.driver)


def _results(outline: Outline, goal: Outline) -> tuple[float, float]:
    """What the results of a study grow with: its units, and the first measure of their sizes."""
    units = [(goal.parts[name].units, part, goal.parts[name]) for name, part in outline.parts.items()]
    sized = sum(count * part.size[0] / whole.size[0] for count, part, whole in units if whole.size and whole.size[0])
    return float(sum(part.units for _, part, _ in units)), sized


def _aum(settings: Any) -> float | None:
    """The most money that settings speak of."""
    costs, accounting = getattr(settings, "costs", None), getattr(settings, "accounting", None)
    impact = getattr(costs, "impact", None)
    found = [*getattr(settings, "aums", ()), getattr(impact, "aum", None), getattr(accounting, "initial_nav", None)]
    return next((float(each) for each in sorted((v for v in found if v), reverse=True)), None)
