"""The network that scores a day, and how it goes on learning: on its own calendar, from what is known by then.

What a day knows of earlier fits stands in the book before, so that a day which is run again finds the same. A new fit
takes the place of the one that there is where it is no worse on the days before the last labels.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from quantray.arrays import digest
from quantray.daily.book import Book
from quantray.daily.market import WARM_UP_DAYS, DayMarket
from quantray.daily.settings import LearningSettings, RebalanceSettings
from quantray.data.calendar import DEFAULT_EXCHANGE, rebalance_dates
from quantray.data.panel import Panel
from quantray.data.splits import Split, label_gap
from quantray.errors import DataError, SolverError, first_line
from quantray.models.checkpoint import Checkpoint, load_checkpoint
from quantray.models.fitted import FittedNetwork, validation_ic
from quantray.models.forecaster import FitContext
from quantray.models.learned import NetworkForecaster, torch_threads, warm_settings
from quantray.research.folds import walk_forward
from quantray.research.progress import say
from quantray.storage.files import read_file
from quantray.storage.seals import file_hash

__all__ = ["Learned", "Network", "learn"]


@dataclass(frozen=True)
class Network:
    """A finished fit in a file."""

    key: str
    """Of its folder; empty for the checkpoint that the settings name."""
    sha256: str
    through: str
    """Last day whose data it has seen."""


@dataclass(frozen=True)
class Learned:
    """Which network scores a day."""

    path: Path
    record: dict[str, Any]
    """What the book keeps: the network, those that a later fit may start from, and when the last fit was made."""
    note: str = ""
    """What came of a fit on this day; empty where none was due."""


def learn(
    settings: RebalanceSettings,
    terms: LearningSettings,
    market: DayMarket,
    earlier: Book | None,
) -> Learned:
    """The network of a day, trained on where the calendar says so.

    A fit that was cut off goes on from its last epoch; one that is there is read. It sees no label after the day.

    Parameters
    ----------
    terms : those of the settings.

    Raises
    ------
    DataError
        There is no such checkpoint, or one that the book before used is gone or not what it was.
    InputError
        The days of training reach back before the data.
    """
    files = _Files(Path(settings.checkpoint or ""), Path(settings.runs) / "daily" / settings.name / "training")
    state = _State.of(files, earlier)
    due = rebalance_dates(market.panel.dates, terms.every, exchange=settings.exchange or DEFAULT_EXCHANGE)
    if not (due > np.datetime64(state.fitted)).any():
        return Learned(files.of(state.network), state.record())
    fit = _Fit.of(settings, terms, market, files, state)
    after, note = (state, _TOO_EARLY) if fit is None else fit.judged()
    after = replace(after, fitted=str(market.day))
    return Learned(files.of(after.network), after.record(), note)


_TOO_EARLY = "training waits: no earlier fit ended before the days that a new one learns from"


@dataclass(frozen=True)
class _Files:
    """Where networks are."""

    base: Path
    """The checkpoint of the settings."""
    folder: Path
    """Of the fits since."""

    def of(self, network: Network) -> Path:
        """The file of a network, which must be what it was."""
        path = self.folder / network.key / "checkpoint.pt" if network.key else self.base
        if _hash(path) != network.sha256:
            raise DataError(
                f"{path} is not the network that the book before was made with; put it back from a copy, or name "
                "another checkpoint in the settings."
            )
        return path


@dataclass(frozen=True)
class _State:
    """What is known of the fits so far."""

    base: str
    """Hash of the settings' checkpoint: with another one, all begins anew."""
    network: Network
    earlier: tuple[Network, ...]
    """That a fit may start from, oldest first."""
    fitted: str
    """Day of the last fit, or the last that the checkpoint saw."""

    @classmethod
    def of(cls, files: _Files, earlier: Book | None) -> "_State":
        """From the book before, or from the checkpoint of the settings."""
        sha256 = _hash(files.base)
        found = {} if earlier is None else earlier.documents["provenance"].get("training", {})
        if found.get("base") == sha256:
            network, *others = (Network(**each) for each in (found["network"], *found["earlier"]))
            return cls(sha256, network, tuple(others), str(found["fitted"]))
        through = str(load_checkpoint(files.base).data_through)
        network = Network("", sha256, through)
        return cls(sha256, network, (network,), through)

    def record(self) -> dict[str, Any]:
        """For the book."""
        earlier = [vars(each) for each in self.earlier]
        return {"base": self.base, "network": vars(self.network), "earlier": earlier, "fitted": self.fitted}


@dataclass(frozen=True, eq=False)
class _Fit:
    """One that is due."""

    settings: RebalanceSettings
    terms: LearningSettings
    market: DayMarket
    files: _Files
    state: _State
    panel: Panel
    split: Split
    parent: Network | None
    base: Checkpoint

    @classmethod
    def of(
        cls,
        settings: RebalanceSettings,
        terms: LearningSettings,
        market: DayMarket,
        files: _Files,
        state: _State,
    ) -> "_Fit | None":
        """None where there is nothing to start from yet."""
        base = load_checkpoint(files.base)
        split = _split(market.panel, terms, base)
        # An earlier fit that had seen the days of validation could not be compared on them.
        parents = [each for each in state.earlier if np.datetime64(each.through) <= split.train.last]
        if terms.warm_start and not parents:
            return None
        start = max(split.rows(market.panel.dates).train.start - WARM_UP_DAYS, 0)
        members = market.panel.assets[market.panel.member[start:].any(axis=0)]
        panel = market.panel.between(market.panel.dates[start], market.panel.dates[-1]).select(members)
        return cls(settings, terms, market, files, state, panel, split, parents[-1] if terms.warm_start else None, base)

    def judged(self) -> tuple[_State, str]:
        """What is known after the fit, and in words."""
        context = self._context()
        current = FittedNetwork.load(self.files.of(self.state.network), context)
        with torch_threads(self.settings.threads):
            before = validation_ic(current, self.panel, self.split)
            try:
                made = self._made(context)
            except SolverError as error:
                return self.state, f"training failed, the network of before stays: {first_line(error)}"
        after = made.checkpoint.progress.best_ic
        told = f"trained through {made.data_through}: validation IC {after:.4f}, {before:.4f} before"
        if not after >= before:
            return self.state, f"{told}; the network of before stays"
        network = Network(self.key, _hash(self.folder / "checkpoint.pt"), str(made.data_through))
        # Older ones than the one that this fit started from are nobody's parents any more.
        since = "" if self.parent is None else self.parent.through
        kept = tuple(each for each in self.state.earlier if each.through >= since)
        return replace(self.state, network=network, earlier=(*kept, network)), f"{told}; it takes its place"

    @property
    def key(self) -> str:
        """Hash of the data, the settings and the start that the fit depends on."""
        sectors = sorted(f"{name}={sector}" for name, sector in self.market.sectors.items())
        told = [self.state.base, self.terms.model_dump_json(), str(self.settings.threads), repr(self.split)]
        parent = "" if self.parent is None else self.parent.sha256
        return digest([*told, parent, self.panel.fingerprint(), "\n".join(sectors)])[:24]

    @property
    def folder(self) -> Path:
        """Where the fit keeps its checkpoint."""
        return self.files.folder / self.key

    def _made(self, context: FitContext) -> FittedNetwork:
        init = None if self.parent is None else FittedNetwork.load(self.files.of(self.parent))
        shape, training = self.base.network, self.base.training
        forecaster = NetworkForecaster(
            name=self.settings.name,
            attention=shape.attention,
            width=shape.width,
            layers=shape.layers,
            heads=shape.heads,
            dropout=shape.dropout,
            recompute=shape.recompute,
            graph=self.base.graph,
            training=training if init is None else warm_settings(training, epochs=self.terms.epochs),
        )
        return forecaster.fit(self.panel, self.split, init=init, context=context)

    def _context(self) -> FitContext:
        seed = int(np.random.SeedSequence([self.market.day.toordinal()]).generate_state(1)[0])
        return FitContext(sectors=self.market.sectors, seed=seed, folder=self.folder, say=say)


def _split(panel: Panel, terms: LearningSettings, base: Checkpoint) -> Split:
    """The fold whose only test day is the panel's last."""
    horizon, lag = base.fold.horizon, base.fold.lag
    days = terms.train_days + terms.valid_days + 2 * label_gap(horizon, lag) + 1
    return walk_forward(
        panel.dates[-days:],
        train_days=terms.train_days,
        valid_days=terms.valid_days,
        test_days=1,
        horizon=horizon,
        lag=lag,
    )[-1]


def _hash(path: Path) -> str:
    try:
        return file_hash(read_file(path))
    except OSError as error:
        raise DataError(
            f"checkpoint {path} cannot be read: {first_line(error)}; put it back from a copy, or name another one in "
            "the settings."
        ) from error
