"""Sums, factor exposures and variance of a book that moves, brought along with each move, whatever the book's size."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quantray.arrays import Bool, Float, Int, Names
from quantray.risk.limiting.metrics import grouped
from quantray.risk.positions.book import Book
from quantray.risk.watching.moving import Moved, MovingBook

__all__ = ["GroupSums", "RunningRisk"]


class RunningRisk:
    """The risk of a book at the prices of now.

    Parameters
    ----------
    book : at the close, with a model.
    absolute : (M,) True of drivers whose changes are differences.

    Raises
    ------
    InputError
        The book has no model.
    """

    def __init__(self, book: Book, absolute: Bool) -> None:
        self._model = book.needed("model", "a monitor")
        self.positions, self.groups = MovingBook(book, absolute), GroupSums.of(book)
        # Rank-one updates want each driver's row of the loadings and of their product with the factors' covariance.
        self._loadings = np.ascontiguousarray(self._model.loadings)
        self._priced = np.ascontiguousarray(self._model.loadings @ self._model.factor_covariance)
        self.settle()

    @property
    def gain(self) -> float:
        """Since the close."""
        return float(self.positions.gains.sum())

    @property
    def volatility(self) -> float:
        """Of a day."""
        return float(np.sqrt(max(float(self.factors @ self._with_factors) + self._specific, 0.0)))

    def move(self, driver: int, change: float) -> Moved:
        """Bring a driver to a change since the close, and all sums with it."""
        moved = self.positions.move(driver, change)
        drivers, rows = moved.drivers, moved.rows
        exposure, weights = self.positions.exposure[drivers], self.positions.weights[rows]
        step = exposure - moved.exposures
        self.factors += step @ self._loadings[drivers]
        self._with_factors += step @ self._priced[drivers]
        self._specific += float(self._model.specific_variance[drivers] @ (step * (exposure + moved.exposures)))
        more, larger = weights - moved.weights, np.abs(weights) - np.abs(moved.weights)
        self.net += float(more.sum())
        self.gross += float(larger.sum())
        self.groups.add(rows, more, larger)
        return moved

    def settle(self) -> None:
        """Make all sums from the positions, so that the rounding of many moves does not add up."""
        self.positions.settle()
        exposure, weights, model = self.positions.exposure, self.positions.weights, self._model
        self.factors = np.asarray(model.loadings.T @ exposure)
        self._with_factors = np.asarray(model.factor_covariance @ self.factors)
        self._specific = float(model.specific_variance @ exposure**2)
        self.net, self.gross = float(weights.sum()), float(np.abs(weights).sum())
        self.groups.make(weights)


@dataclass(eq=False)
class GroupSums:
    """Gross and net by group of every kind, in one array each; the last place is of positions without a label."""

    kinds: Mapping[str, tuple[Names, slice]]
    places: Int
    """(N, kinds) of each position."""
    gross: Float
    net: Float

    @classmethod
    def of(cls, book: Book) -> "GroupSums":
        """Of every kind of group that the book has, with nothing counted yet."""
        kinds: dict[str, tuple[Names, slice]] = {}
        columns, start = [], 0
        for kind in book.groups:
            labels, place = grouped(book, kind, "a monitor")
            kinds[kind] = (labels, slice(start, start + len(labels)))
            columns.append(np.where(place >= 0, place + start, -1))
            start += len(labels)
        places = np.column_stack(columns) if columns else np.zeros((len(book.names), 0), dtype=np.int64)
        return cls(kinds, np.where(places < 0, start, places), np.zeros(start + 1), np.zeros(start + 1))

    def add(self, rows: Int, more: Float, larger: Float) -> None:
        """Count what some positions have more net and gross."""
        places = self.places[rows]
        np.add.at(self.net, places, more[:, None])
        np.add.at(self.gross, places, larger[:, None])

    def make(self, weights: Float) -> None:
        """Count all positions anew."""
        flat, n_kinds = self.places.ravel(), self.places.shape[1]
        self.net, self.gross = (
            np.asarray(np.bincount(flat, np.repeat(each, n_kinds), len(self.net)), dtype=np.float64)
            for each in (weights, np.abs(weights))
        )
