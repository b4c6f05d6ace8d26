"""Files that are no larger than their size lets expect: packed text, Parquet, and tables of many columns."""

import gzip
import io
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from quantray.errors import DataError, first_line
from quantray.inputs import open_file

__all__ = ["opened", "refuse_bomb", "refuse_width"]

_MOST_COLUMNS = 100_000
_ENOUGH = 64 << 20
_TIMES = 200
"""Text packs to a tenth of its size, and a table that is nearly empty to a hundredth; gzip can do a thousandth."""


def opened(file: Path) -> BinaryIO:
    """The bytes of a text file, which one that ends in ``.gz`` gives unpacked.

    Raises
    ------
    OSError
        It cannot be opened, or is no ordinary file; when read: it is damaged.
    DataError
        When read: it unpacks to more than 64 MiB and more than 200 times its size.
    """
    raw = open_file(file)
    return io.BufferedReader(_Unpacked(file, raw), 1 << 20) if file.name.lower().endswith(".gz") else raw


def refuse_bomb(file: Path, cells: int) -> None:
    """Refuse a table that fills memory from next to nothing, which Parquet packs without bound.

    Raises
    ------
    DataError
        It has more than 64 Mi cells, and more than 200 for each byte of its file.
    """
    if cells > max(_ENOUGH, _TIMES * file.stat().st_size):
        raise DataError(
            f"{file} has {cells:,} cells, more than {_TIMES} for each of its bytes, as no table does; look at what it "
            "holds."
        )


def refuse_width(file: Path, columns: int) -> None:
    """Refuse a table of more than a hundred thousand columns; raises ``DataError``."""
    if columns > _MOST_COLUMNS:
        raise DataError(
            f"{file} has {columns:,} columns; {_MOST_COLUMNS:,} are the most of a wide file: divide it by symbols."
        )


class _Unpacked(io.RawIOBase):
    """What is packed, up to what there may be of it."""

    def __init__(self, file: Path, raw: BinaryIO) -> None:
        self._file, self._raw = file, raw
        self._packed = gzip.GzipFile(fileobj=raw, mode="rb")
        self._left = max(_ENOUGH, _TIMES * raw.seek(0, io.SEEK_END))
        raw.seek(0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            count = self._packed.readinto(buffer)
        except (EOFError, zlib.error) as error:
            raise OSError(f"it is damaged ({first_line(error)})") from error
        self._left -= count
        if self._left < 0:
            raise DataError(
                f"{self._file} unpacks to more than {_TIMES} times its size, as no table does; look at what it holds."
            )
        return count

    def close(self) -> None:
        self._packed.close()
        self._raw.close()
        super().close()
