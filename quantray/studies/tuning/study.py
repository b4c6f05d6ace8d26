"""A search of settings: the study that its file names, made ready so that no trial sees the last dates."""

from quantray.errors import InputError
from quantray.research.kind import Source
from quantray.research.tunable import SearchTerms, Tunable
from quantray.studies.kinds import read_study
from quantray.studies.tuning.settings import TuningSettings

__all__ = ["TuningSource", "load_tuning"]

TuningSource = Source[TuningSettings, Tunable]
"""The data of the study that is searched; prepared is that study."""


def load_tuning(settings: TuningSettings) -> TuningSource:
    """Read the study, check the space against it, load its data and set the last folds aside.

    Raises
    ------
    InputError
        Nothing of the study's kind can be tuned; and as its kind's ``tunable``.
    DataError
        As ``MarketStore.load``.
    """
    kind, study = read_study(settings.target.study)
    if kind.tunable is None:
        raise InputError(f"{settings.target.study} is of kind {kind.name}, of which nothing can be tuned.")
    search = SearchTerms(
        settings.target, settings.space, settings.held_out, settings.cluster, settings.numerics, settings.runs
    )
    tunable: Tunable = kind.tunable(study, search)
    return Source(settings, tunable.source.data, tunable, about=tunable.source.settings.identity)
