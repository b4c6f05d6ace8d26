"""What users bring of their own: found by ``module:name``, or by a name that an installed package registered.

What is called is a function, or a class made anew at each call, so that nothing is kept from one date to the next.
"""

import inspect
import pickle
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import numpy as np
from pydantic import AfterValidator

from quantray.arrays import Float
from quantray.errors import InputError, QuantrayError, SolverError, first_line
from quantray.inputs import imported
from quantray.settings import nearest

__all__ = [
    "arguments",
    "called",
    "gaps_in",
    "is_fitted",
    "made",
    "numbers",
    "one_of",
    "own_path",
    "own_thing",
    "registered",
]

Thing = Callable[..., Any]


@cache
def registered(group: str) -> Mapping[str, EntryPoint]:
    """What installed packages register under ``quantray.GROUP``, by name.

    Raises
    ------
    InputError
        Two packages register the same name.
    """
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"quantray.{group}"):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise InputError(
                f"{point.name!r} is registered as {other.value} and as {point.value} among quantray.{group}; "
                "name it as module:name, or uninstall one of the packages."
            )
    return found


def own_path(name: str, group: str) -> str | None:
    """The import path that a name stands for; none where it is no path and nobody registered it."""
    if ":" in name:
        return name
    point = registered(group).get(name)
    return None if point is None else point.value


def one_of(names: Sequence[str], group: str) -> AfterValidator:
    """A check of settings: a name is one of quantray's, registered, or of the form of an import path."""

    def check(name: str) -> str:
        if name in names:
            return name
        if ":" in name:
            if not all(part.isidentifier() for part in name.replace(":", ".").split(".")) or name.count(":") != 1:
                raise ValueError(f"{name!r} is no import path such as my_rules:rule")
        elif own_path(name, group) is None:
            known = [*names, *registered(group)]
            raise ValueError(
                f"{name!r} is unknown;{nearest(name, known)} choose one of {', '.join(known)}, or one of your own as "
                "module:name"
            )
        return name

    return AfterValidator(check)


def own_thing(name: str, group: str) -> Thing:
    """The function or class that a name stands for.

    Raises
    ------
    InputError
        It cannot be imported, cannot be called, or cannot be pickled, as what stands inside another function cannot.
    """
    path, what = own_path(name, group), _singular(group)
    if path is None:
        raise InputError(f"{what} {name!r} is no import path such as module:name, and no package registers it.")
    found = imported(path, what)
    if not callable(found) or not (isinstance(found, type) or inspect.isroutine(found)):
        raise InputError(f"{what} {path!r} is a {type(found).__name__}; name a function or a class.")
    try:
        same = pickle.loads(pickle.dumps(found)) is found
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise _unpicklable(what, path, first_line(error)) from error
    if not same:
        raise _unpicklable(what, path, "it comes back as another one")
    return found


def _singular(group: str) -> str:
    return f"{group.removesuffix('ies')}y" if group.endswith("ies") else group.removesuffix("s").replace("_", " ")


def is_fitted(thing: Thing) -> bool:
    """Whether it is a class with ``fit``, as scikit-learn has it, rather than a function."""
    return isinstance(thing, type) and callable(getattr(thing, "fit", None))


def arguments(thing: Thing) -> tuple[str, ...]:
    """Names of what a function, or the constructor of a class, takes."""
    try:
        return tuple(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        return ()


def called(
    thing: Thing,
    given: Any,
    parameters: Mapping[str, Any],
    attribute: str,
    told: str,
    remedy: str = "",
    *,
    more: tuple[Any, ...] = (),
) -> Any:
    """What a function returns, or an attribute of a class after ``fit``, for what it is given.

    Parameters
    ----------
    parameters : of the function, or of the constructor.
    attribute : such as ``weights_``.
    told : what is called, for messages.
    remedy : what may help where it raises an error.
    more : that a function is given beside.

    Raises
    ------
    InputError
        It takes no such parameters.
    SolverError
        It raised an error, or has no such attribute after ``fit``.
    """
    if is_fitted(thing):
        work = partial(_fitted, made(thing, parameters, told), given, attribute)
    else:
        _check_parameters(thing, parameters, told, given=(given, *more))
        work = partial(thing, given, *more, **parameters)
    try:
        return work()
    except QuantrayError:
        raise
    except (Exception, SystemExit) as error:
        raise SolverError(f"{told} raised {type(error).__name__}: {first_line(error)}{remedy}") from error


def made(thing: Thing, parameters: Mapping[str, Any], told: str) -> Any:
    """What a class, or a function that makes something, gives for its parameters alone.

    Raises
    ------
    InputError
        It takes no such parameters.
    SolverError
        It raised an error.
    """
    _check_parameters(thing, parameters, told)
    try:
        return thing(**parameters)
    except QuantrayError:
        raise
    except (Exception, SystemExit) as error:
        raise SolverError(f"{told} raised {type(error).__name__}: {first_line(error)}") from error


def numbers(found: Any, told: str, wanted: str, labels: Sequence[Any] = ()) -> Float:
    """What was given, as an array of float64 of its own; NaN where a masked array hides a value.

    Parameters
    ----------
    told : who gave it, for messages.
    wanted : what it must give, for messages.
    labels : of each axis, in order, which a pandas Series or DataFrame may bear instead of 0, 1, 2 and so on.

    Raises
    ------
    SolverError
        It gave no numbers, complex ones, or a Series or DataFrame in another order, which a sort leaves.
    """
    if np.iscomplexobj(found):
        raise SolverError(f"{told} gave complex numbers; it must give {wanted}, so take .real where that is meant.")
    try:
        values = np.array(np.ma.filled(found.astype(np.float64), np.nan) if np.ma.isMA(found) else found, np.float64)
    except (TypeError, ValueError) as error:
        raise SolverError(f"{told} gave a {type(found).__name__}; it must give {wanted}.") from error
    for number, axis in enumerate(getattr(found, "axes", ())):
        given = np.asarray(axis)
        known = [np.arange(len(given)), *labels[number : number + 1]]
        # Of another length it is of the wrong shape, which says more.
        if len(given) == len(known[-1]) and not any(np.array_equal(given, each) for each in known):
            raise SolverError(
                f"{told} gave a {type(found).__name__} whose labels are not those of the data in their order, but "
                f"{', '.join(map(str, given[:3]))}...; it must give {wanted}, in the order of what it was given."
            )
    return values


def gaps_in(returns: Float) -> str:
    """What may help those who take no NaN; nothing where none of (T, N) returns is missing."""
    gaps = int(np.isnan(returns).any(axis=0).sum())
    return f"; {gaps} of {returns.shape[1]} names lack returns: min_history: 1 leaves them out" if gaps else ""


def _fitted(estimator: Any, given: Any, attribute: str) -> Any:
    estimator.fit(given)
    return getattr(estimator, attribute)


def _check_parameters(thing: Thing, parameters: Mapping[str, Any], told: str, given: tuple[Any, ...] = ()) -> None:
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*given, **parameters)
    except TypeError as error:
        taken = list(signature.parameters)[len(given) :]
        known = f"its parameters are {', '.join(taken)}" if taken else "it has none"
        raise InputError(f"{told}: parameters do not fit ({first_line(error)}); {known}.") from error


def _unpicklable(what: str, path: str, why: str) -> InputError:
    return InputError(
        f"{what} {path!r} cannot be pickled ({why}); define it with def or class at the top of its module."
    )
