"""Which parameter sets to try next: grid, random and Bayesian search behind the same two questions.

A search is asked for a generation of sets and told their scores in the same order, so its course depends on its seed
and the scores only, never on who computed them or when.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal, Protocol

import numpy as np
import optuna

from quantray.errors import InputError
from quantray.strategies.catalogue import ParameterValue

__all__ = ["Axis", "Method", "ParameterSearch", "Parameters", "RandomOrGrid", "Space", "Tpe", "begin"]

Parameters = tuple[tuple[str, ParameterValue], ...]
"""Names and values in the order of a space's axes."""
Method = Literal["grid", "random", "tpe"]

_LARGEST_GRID = 20_000
_REFUSED = -10.0
"""Score of a set that its rule refuses: lower than any strategy deserves, and finite, for the sampler's sake."""


@dataclass(frozen=True)
class Axis:
    """One parameter and the values it may take, in their natural order.

    Raises
    ------
    InputError
        No values, or a value twice.
    """

    name: str
    values: tuple[ParameterValue, ...]

    def __post_init__(self) -> None:
        if not self.values or len(set(self.values)) != len(self.values):
            raise InputError(f"the values of {self.name} are {self.values}; give each of one or more values once.")


@dataclass(frozen=True)
class Space:
    """The parameter sets that may be tried: all combinations of the axes that are allowed.

    Parameters
    ----------
    axes : in the order in which sets name them.
    allows : whether a combination makes sense, such as a fast average shorter than the slow one; a top-level function
        or a method, without side effects.
    """

    axes: tuple[Axis, ...]
    allows: Callable[[Parameters], bool]

    @property
    def size(self) -> int:
        """Combinations of all values, allowed or not."""
        return math.prod(len(axis.values) for axis in self.axes)

    def pick(self, indices: Sequence[int]) -> Parameters:
        """The set of the values at these places of the axes."""
        return tuple((axis.name, axis.values[i]) for axis, i in zip(self.axes, indices, strict=True))

    def all(self) -> tuple[Parameters, ...]:
        """Every allowed set, the last axis running fastest.

        Raises
        ------
        InputError
            There are more than 20,000 combinations, or none is allowed.
        """
        if self.size > _LARGEST_GRID:
            raise InputError(f"a grid of {self.size:,} sets is too large; use method random or tpe, or fewer values.")
        if not self._allowed:
            raise InputError(
                f"no combination of {', '.join(a.name for a in self.axes)} is allowed; widen their values."
            )
        return self._allowed

    @cached_property
    def _allowed(self) -> tuple[Parameters, ...]:
        # Asked for by every search of the space, and each set builds a rule.
        places = product(*(range(len(axis.values)) for axis in self.axes))
        return tuple(chosen for chosen in map(self.pick, places) if self.allows(chosen))

    def draw(self, count: int, seed: int) -> tuple[Parameters, ...]:
        """Different allowed sets at random, or all of them where there are no more than ``count``."""
        if self.size <= _LARGEST_GRID:
            sets = self.all()
            if len(sets) <= count:
                return sets
            chosen = np.random.default_rng(seed).choice(len(sets), count, replace=False)
            return tuple(sets[i] for i in sorted(chosen.tolist()))
        generator, found = np.random.default_rng(seed), dict[Parameters, None]()
        for _ in range(100 * count):
            candidate = self.pick([int(generator.integers(len(axis.values))) for axis in self.axes])
            if self.allows(candidate):
                found[candidate] = None
            if len(found) == count:
                break
        if not found:
            raise InputError(f"none of {100 * count:,} draws of {', '.join(a.name for a in self.axes)} is allowed.")
        return tuple(found)


class ParameterSearch(Protocol):
    """A search in progress."""

    def ask(self) -> tuple[Parameters, ...]:
        """The next generation of sets; empty at the end."""
        ...

    def tell(self, scores: Sequence[float]) -> None:
        """The scores of the last generation, in its order; higher is better."""
        ...


class RandomOrGrid:
    """A search whose sets are settled in advance: a grid, or draws."""

    def __init__(self, sets: tuple[Parameters, ...]) -> None:
        self._sets = sets

    def ask(self) -> tuple[Parameters, ...]:
        """All sets, once."""
        sets, self._sets = self._sets, ()
        return sets

    def tell(self, scores: Sequence[float]) -> None:
        """Nothing follows from the scores."""


class Tpe:
    """Tree-structured Parzen estimator, a generation at a time.

    Values count by their place on the axis. A set that is not allowed, or was asked before, is scored at once and does
    not leave the search, so generations may be smaller than wanted.

    Source: Bergstra, Bardenet, Bengio and Kegl (2011), *Algorithms for hyper-parameter optimization*, NeurIPS 24.
    """

    def __init__(self, space: Space, *, trials: int, generation: int, seed: int) -> None:
        # It announces every study on standard error otherwise.
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=max(generation, min(trials // 3, 20)), multivariate=True, constant_liar=True
            )
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._space, self._left, self._generation = space, trials, generation
        self._scores: dict[Parameters, float] = {}
        self._open: list[tuple[optuna.Trial, Parameters]] = []
        self._waiting: tuple[Parameters, ...] = ()
        self._scale = {axis.name: optuna.distributions.IntDistribution(0, len(axis.values) - 1) for axis in space.axes}

    def ask(self) -> tuple[Parameters, ...]:
        """See ``ParameterSearch.ask``."""
        while self._left > 0:
            count = min(self._generation, self._left)
            self._left -= count
            trials = [self._study.ask(self._scale) for _ in range(count)]
            self._open = [(t, self._space.pick([t.params[axis.name] for axis in self._space.axes])) for t in trials]
            for _, chosen in self._open:
                if chosen not in self._scores and not self._space.allows(chosen):
                    self._scores[chosen] = _REFUSED
            self._waiting = tuple(dict.fromkeys(chosen for _, chosen in self._open if chosen not in self._scores))
            if self._waiting:
                return self._waiting
            self.tell(())
        return ()

    def tell(self, scores: Sequence[float]) -> None:
        """See ``ParameterSearch.tell``."""
        self._scores.update(zip(self._waiting, scores, strict=True))
        for trial, chosen in self._open:
            self._study.tell(trial, self._scores[chosen])
        self._open, self._waiting = [], ()


def begin(space: Space, method: Method, *, trials: int, generation: int, seed: int) -> ParameterSearch:
    """A search of a space.

    Parameters
    ----------
    trials : sets to try at most; a grid tries all.
    generation : sets that TPE asks for at a time. Larger ones keep more workers busy and learn more slowly.
    seed : of draws and of TPE.

    Raises
    ------
    InputError
        A number below one, an unknown method, or a space without allowed sets.
    """
    if trials < 1 or generation < 1:
        raise InputError(f"{trials} trials in generations of {generation}; both must be at least 1.")
    if method == "grid":
        return RandomOrGrid(space.all())
    if method == "random":
        return RandomOrGrid(space.draw(trials, seed))
    if method == "tpe":
        return Tpe(space, trials=trials, generation=generation, seed=seed)
    raise InputError(f"method {method!r} is not one of grid, random, tpe.")
