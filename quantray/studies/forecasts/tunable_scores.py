"""Forecasters that are fitted at once, whose parameters are searched: their mean validation IC, fold by fold."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from quantray.data.splits import Split
from quantray.errors import InputError, SolverError
from quantray.models.forecaster import FitContext
from quantray.models.learned import torch_threads
from quantray.research.numerics import Numerics
from quantray.research.space import Point, SearchSpace
from quantray.research.tunable import Progress, finite
from quantray.storage.files import make_folder, write_atomically
from quantray.studies.forecasts.settings import FeatureSettings, ModelSettings
from quantray.studies.forecasts.trial import ForecastData, ForecastTrial, build_forecaster, fit_seed, forecast_key

__all__ = ["FoldScores", "fits_folder"]


@dataclass(frozen=True, eq=False)
class FoldScores:
    """A forecaster fitted on one fold after another; the objective is the mean of their validation ICs so far.

    What a fold gave is kept, so a trial that is begun again repeats nothing.

    Parameters
    ----------
    data : its panel should end, or be ``blinded``, before the dates that are held out.
    splits : of the folds whose validation ranges choose.
    before : trading days before a training range that its fit may read.
    """

    space: SearchSpace[ModelSettings]
    data: ForecastData
    splits: tuple[Split, ...]
    before: int
    threads: int
    folder: Path
    """Where validation ICs go."""
    numerics: Numerics = "native"
    features: tuple[FeatureSettings, ...] = ()
    """Of the user's own."""

    @property
    def most_rounds(self) -> int:
        """See ``Subject``."""
        return len(self.splits)

    def elsewhere(self, runs: Path) -> "FoldScores":
        """See ``Subject``."""
        return replace(self, folder=fits_folder(runs))

    def rounds(self, point: Point) -> Iterator[Progress]:
        """See ``Subject``."""
        found: list[float] = []
        try:
            model = self.space.settings(point)
            with threadpool_limits(limits=self.threads), torch_threads(self.threads):
                for split in self.splits:
                    found.append(self._valid_ic(self._trial(model, split)))
                    yield Progress(finite(float(np.mean(found))), len(found) == len(self.splits))
        except (InputError, SolverError) as error:
            yield Progress(-1.0, finished=True, note=str(error))

    def _trial(self, model: ModelSettings, split: Split) -> ForecastTrial:
        return ForecastTrial(model, split, 0, self.before, self.threads, numerics=self.numerics, features=self.features)

    def _valid_ic(self, trial: ForecastTrial) -> float:
        key = forecast_key(self.data, trial)
        file = self.folder / key[:2] / f"{key}.json"
        if file.is_file():
            return float(json.loads(file.read_text(encoding="utf-8")))
        context = FitContext(
            own_features=trial.own_features, sectors=self.data.sectors, seed=fit_seed(trial), threads=trial.threads
        )
        fitted = build_forecaster(trial.model).fit(trial.history(self.data.panel), trial.split, context=context)
        ic: float | None = getattr(fitted, "valid_ic", None)
        if ic is None:
            raise InputError(
                f"{trial.model.name}: a fit of {trial.model.kind} has no valid_ic, by which parameters are chosen; "
                "give it the mean daily information coefficient on the validation range."
            )
        make_folder(file.parent)
        write_atomically(file, json.dumps(ic))
        return ic


def fits_folder(runs: Path) -> Path:
    """Where what is fitted in a search goes, in a folder of runs."""
    return runs.resolve() / "tune" / "fits"
