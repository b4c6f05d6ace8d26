"""The kinds of study by name, and the settings files that name them."""

from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from quantray.errors import InputError
from quantray.inputs import imported
from quantray.research.kind import Kind, StudySettings
from quantray.settings import checked, nearest, read_content

__all__ = ["KINDS", "find_kind", "read_study"]

KINDS = {
    "portfolios": "quantray.studies.portfolios.kind:PORTFOLIOS",
    "forecasts": "quantray.studies.forecasts.kind:FORECASTS",
    "scale": "quantray.studies.scale.kind:SCALE",
    "sweep": "quantray.studies.sweep.kind:SWEEP",
    "combination": "quantray.studies.combination.kind:COMBINATION",
    "capacity": "quantray.studies.capacity.kind:CAPACITY",
    "regimes": "quantray.studies.regimes.kind:REGIMES",
    "institutional": "quantray.studies.institutional.kind:INSTITUTIONAL",
    # A search is driven by Ray Tune, so this one lies where Ray is known.
    "tuning": "quantray.distributed.tuning:TUNING",
}
"""Name -> where it is: nobody pays for what others import."""


def find_kind(name: str) -> Kind[Any, Any, Any]:
    """The kind of a name: one of quantray's, of an installed package (entry points ``quantray.kinds``), or a path.

    Parameters
    ----------
    name : as in ``KINDS``, or ``module:name`` of a ``Kind`` anywhere.

    Raises
    ------
    InputError
        There is none of that name.
    """
    path = KINDS.get(name) or next((e.value for e in entry_points(group="quantray.kinds") if e.name == name), name)
    if ":" not in path:
        raise InputError(f"kind {name!r} is unknown;{nearest(name, list(KINDS))} kinds are {', '.join(KINDS)}.")
    found = imported(path, "kind")
    if not isinstance(found, Kind):
        raise InputError(f"kind {name!r} is a {type(found).__name__}; it must be a quantray.research.kind.Kind.")
    return found


def read_study(
    path: str | Path, changes: Sequence[str] = (), *, kind: str | None = None
) -> tuple[Kind[Any, Any, Any], StudySettings]:
    """The kind that a settings file names, and its settings.

    Parameters
    ----------
    changes : such as ``folds.test_days=63``; see ``settings.read_content``.
    kind : the only one that is wanted.

    Raises
    ------
    InputError
        The file names no kind, an unknown one or another one; and as ``settings.checked``.
    """
    content = read_content(path, changes)
    named = content.get("kind")
    if not isinstance(named, str):
        wanted = kind or "portfolios"
        raise InputError(f"{path} names no kind of study; add `kind: {wanted}` (kinds are {', '.join(KINDS)}).")
    if kind is not None and named != kind:
        raise InputError(f"{path} is of kind {named}, not {kind}; run it with `quantray run {path}`.")
    found = find_kind(named)
    where = f"{path} with --set" if changes else str(path)
    return found, checked(found.settings, content, where, found.renamed)
