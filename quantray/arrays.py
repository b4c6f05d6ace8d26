"""Array aliases, read-only arrays and the checks that public functions make at the door.

Axes everywhere: T dates, N assets, F features, K factors, S scenarios, R regimes.
"""

import hashlib
import pickle
import re
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from quantray.errors import InputError

__all__ = [
    "TRADING_DAYS",
    "WEEKS",
    "Bool",
    "Complex",
    "Dates",
    "Float",
    "Int",
    "Names",
    "as_day",
    "digest",
    "finite_square",
    "frozen",
    "frozen_copy",
    "plain",
]

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Complex = npt.NDArray[np.complex128]
Dates = npt.NDArray[np.datetime64]
Names = npt.NDArray[np.str_]

WEEKS = 52
"""Weekly bars of a year, by convention."""

TRADING_DAYS = 252
"""Days that an exchange is open in a year, by convention: the periods of a year wherever nothing says otherwise.

Data of another calendar carry their own number, ``Panel.periods_per_year``, which ``data.calendar`` knows.
"""

_DIGESTED = 256
"""Rows of an array that ``digest`` makes plain at a time."""

_TILE = 128
"""Rows and columns of a matrix that are compared with their transpose at a time, in a processor's cache."""

A = TypeVar("A", bound=np.generic)
V = TypeVar("V")


def frozen(array: npt.NDArray[A]) -> npt.NDArray[A]:
    """A read-only, C-contiguous view of an array (a copy only where the memory order demands it)."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


def frozen_copy(value: V) -> V:
    """The value as a worker on another machine would receive it: its arrays read-only, its memory shared.

    The value goes through pickle with out-of-band buffers, which is what Ray does to arguments.
    So code that mutates its input, or that cannot be sent to a worker, fails on a laptop too.
    """
    buffers: list[pickle.PickleBuffer] = []
    try:
        packed = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(f"{type(value).__name__} cannot be sent to a worker: {error}.") from error
    unpacked: V = pickle.loads(packed, buffers=[buffer.raw().toreadonly() for buffer in buffers])
    return unpacked


def digest(parts: Iterable[bytes | str | npt.NDArray[Any]]) -> str:
    """Hash of a sequence of texts and arrays, as 32 hexadecimal digits.

    Arrays count with their shape and type. ``-0.0`` counts as ``0.0`` and all NaN count alike,
    so equal numbers have equal digests.
    """
    hasher = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            hasher.update(f"{part.dtype.str}{part.shape}".encode())
            # Some rows at a time: whole, the plain copy would take as much memory as the array.
            for rows in np.array_split(part, range(_DIGESTED, len(part), _DIGESTED)) if part.ndim else (part,):
                hasher.update(np.ascontiguousarray(plain(rows)).view(np.uint8).data)
        else:
            data = part.encode() if isinstance(part, str) else part
            hasher.update(len(data).to_bytes(8, "little") + data)
    return hasher.hexdigest()


def plain(array: npt.NDArray[A], *, out: npt.NDArray[A] | None = None) -> npt.NDArray[A]:
    """The array with ``-0.0`` as ``0.0`` and with one kind of NaN, so that equal numbers have equal bytes.

    Parameters
    ----------
    out : where floats go, such as the array itself; by default to a new one.
    """
    if array.dtype.kind != "f":
        return array
    made = np.asarray(np.add(array, 0.0, out=out))
    missing = np.isnan(made)
    # Most arrays have none, and to choose value by value would take longer than to hash them.
    if missing.any():
        made[missing] = np.nan
    return made


def as_day(value: object) -> np.datetime64:
    """A date (text ``YYYY-MM-DD``, ``datetime.date``, pandas or numpy timestamp) as ``datetime64[D]``.

    Raises
    ------
    InputError
        The value is not a date.
    """
    text = str(value)
    # numpy would also read a bare year, "today", and 20200102 as the year twenty million.
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}([T ].*)?", text):
        raise InputError(f"{value!r} is not a date; write YYYY-MM-DD.")
    try:
        return np.datetime64(text[:10], "D")
    except ValueError as error:
        raise InputError(f"{value!r} is not a date; write YYYY-MM-DD.") from error


def finite_square(matrix: Float, name: str) -> Float:
    """The matrix as float64 after checking that it is square, not empty, finite and symmetric to 1e-8.

    Raises
    ------
    InputError
        It is not.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise InputError(f"{name} is {matrix.shape}; it must be square with at least one asset.")
    if not _symmetric(matrix):
        finite = np.isfinite(matrix)
        if not finite.all():
            bad = int((~finite.all(axis=1)).sum())
            raise InputError(
                f"{name} has NaN or infinite values in {bad} of {len(matrix)} rows; "
                "estimate it with a missing-data rule or drop those assets first."
            )
        raise InputError(f"{name} is not symmetric; symmetrise it as (A + A.T) / 2 if rounding caused it.")
    return matrix


def _symmetric(matrix: Float) -> bool:
    """Whether a square matrix is symmetric to 1e-8 of its largest diagonal entry; false where it is not finite."""
    # Tile by tile: a transposed copy of a large matrix would cost as much as the caller's work.
    tiles = [slice(start, start + _TILE) for start in range(0, len(matrix), _TILE)]
    with np.errstate(invalid="ignore"):
        allowed = 1e-8 * max(float(np.abs(np.diagonal(matrix)).max()), 1e-300)
        for number, rows in enumerate(tiles):
            for columns in tiles[number:]:
                difference = matrix[rows, columns] - matrix[columns, rows].T
                # Infinities leave no number, and no comparison with that is true.
                if not max(difference.max(), -difference.min()) <= allowed:
                    return False
    return True
