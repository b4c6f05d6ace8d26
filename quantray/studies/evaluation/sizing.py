"""The shape of sets of a family that are played through all days."""

from quantray.research.sizing import Part
from quantray.studies.evaluation.families import Family
from quantray.studies.evaluation.search import Parameters

__all__ = ["distinct", "family_part"]


def family_part(family: Family, sets: tuple[Parameters, ...], days: int, kept: int = 0) -> Part:
    """Sets of a family that are played through all days; those of a group share their signal.

    Parameters
    ----------
    kept : days whose weights are kept beside the returns.
    """
    groups = len({repr(family.group(one)) for one in sets})
    size = (float(days * len(sets)), float(days * groups))
    return Part(len(sets), (*size, float(kept * len(sets))) if kept else size, float(days))


def distinct(draws: int, among: int) -> float:
    """How many different ones so many draws among equals are expected to be."""
    return among * (1 - (1 - 1 / among) ** draws)
