"""A kind of study: a record of functions from settings to findings. What follows from them is one mechanism for all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import pyarrow as pa
from pydantic import Field

from quantray.analytics.page import Page
from quantray.data.panel import Panel
from quantray.research.executor import Executor
from quantray.research.market import MarketData
from quantray.research.numerics import Numerics
from quantray.research.results import ResultStore
from quantray.research.sizing import Sizing
from quantray.research.terms import ClusterSettings, Environment, ResamplingSettings, TrackingSettings
from quantray.research.tracking import TrackedRun
from quantray.settings import SettingsModel, config_hash

__all__ = ["Findings", "Kind", "Name", "Source", "StudySettings", "Work"]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
"""What may become the name of a folder, with a hash behind it."""


class StudySettings(SettingsModel):
    """What the settings of every kind begin with."""

    kind: str
    """Which kind of study this is; see ``studies.kinds``."""
    name: Name
    resampling: ResamplingSettings = ResamplingSettings()
    cluster: ClusterSettings = ClusterSettings()
    tracking: TrackingSettings = TrackingSettings()
    numerics: Numerics = "native"
    """Whose kernels compute: the driver's, which workers must share; AVX2 everywhere (``portable``); or any."""
    runs: str = Field(default_factory=lambda: Environment().runs)
    """Folder for results and reports; shared by all nodes on a cluster."""

    where: ClassVar[frozenset[str]] = frozenset({"cluster", "tracking", "runs"})
    """Settings that say where a study runs and what is told of it, which change no number."""

    @property
    def identity(self) -> str:
        """Hash of all that may change a number."""
        return config_hash(self, exclude=set(self.where))

    @property
    def results(self) -> ResultStore:
        """Where units of work are kept."""
        return ResultStore(Path(self.runs).resolve() / "results")

    @property
    def threads(self) -> int:
        """BLAS threads of a unit of work; sums in another order differ in the last bits."""
        return max(1, int(self.cluster.cpus_per_task))


S = TypeVar("S", bound=StudySettings)
P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Source(Generic[S, P]):
    """Settings with the versions of stores filled in, the data, and what is made of them before any work."""

    settings: S
    data: MarketData
    prepared: P
    """What the kind reads besides, such as the regimes of a sweep; None for most."""
    about: str = ""
    """Hash of another study that this one is about; part of the identity."""

    @property
    def panel(self) -> Panel:
        """The panel of the data."""
        return self.data.panel

    @property
    def identity(self) -> str:
        """Hash of what is studied."""
        return self.settings.identity + (f"-{self.about}" if self.about else "")

    @property
    def folder(self) -> Path:
        """Where the study leaves what it found."""
        return Path(self.settings.runs).resolve() / f"{self.settings.name}-{self.identity}"

    @property
    def shared_bytes(self) -> int:
        """Size of what its units share."""
        return sum(values.nbytes for values in self.panel.fields.values())


@dataclass(frozen=True)
class Work:
    """What a run took."""

    computed: int
    reused: int
    """Found from earlier runs."""
    seconds: float
    called: str = "units"
    """What was counted."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Findings:
    """What is kept of a run."""

    digest: str
    """Hash of all numbers: equal for equal numbers, wherever they were computed."""
    page: Page
    work: Work
    metrics: Mapping[str, Mapping[str, float | None]]
    """Of each thing compared, by name; ends of intervals carry ``_low`` and ``_high``. NaN is kept as none."""
    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    """Name of a Parquet file without its ending -> what it holds."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Name of a file -> its text, in which settings and addresses are masked already; see ``printable``."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """Of the run, for programs that read ``study.json``."""
    notes: tuple[str, ...] = ()
    """Sentences for the terminal and the end of the report."""
    trials: tuple[TrackedRun, ...] = ()
    """Of a search, for a tracker."""


@dataclass(frozen=True)
class Kind(Generic[S, P, R]):
    """A kind of study."""

    name: str
    """As settings and ``study.json`` say it."""
    question: str
    """What it answers, in a line."""
    settings: type[S]
    load: Callable[[S], Source[S, P]]
    """Settings to source; it refuses here what would show only after the work."""
    run: Callable[[Source[S, P], Executor], R]
    findings: Callable[[Source[S, P], R], Findings]
    tunable: Callable[[S, Any], Any] | None = None
    """A study as its file says and ``tunable.SearchTerms`` to a ``tunable.Tunable``; None where nothing can be."""
    sizing: Sizing | None = None
    """How its runs are planned; None where they cannot be."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Dotted keys of an older layout of the settings -> what to write instead."""
