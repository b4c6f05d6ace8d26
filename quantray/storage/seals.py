"""Seals: the hash of a file inside the file itself, so that whoever reads it sees any bit that has changed.

A seal stands where readers of the format do not look: in Parquet between the data and the footer, in JSON as the last
entry, in HTML in a comment. It covers the file's name, so that one file does not pass for another. It tells damage, not
forgery: whoever may write the file may seal it.
"""

import hashlib

import pyarrow as pa
import pyarrow.parquet as pq

from quantray.errors import DataError, first_line

__all__ = ["fault", "file_hash", "from_parquet", "seal_html", "seal_json", "seal_line", "seal_of", "to_parquet"]

_MARK = b"quantray-sha256:"
_DIGITS = 64


def file_hash(content: bytes) -> str:
    """The hash of a file, as ``sha256sum`` prints it."""
    return hashlib.sha256(content).hexdigest()


def fault(content: bytes, name: str) -> str | None:
    """What is wrong with a sealed file, in words that follow its name; None where every bit is as it was written.

    Parameters
    ----------
    name : that it was sealed under.
    """
    at = content.rfind(_MARK)
    if at < 0:
        return "carries no seal: it is damaged, or an older quantray wrote it"
    start = at + len(_MARK)
    before, after = memoryview(content)[:at], memoryview(content)[start + _DIGITS :]
    if content[start : start + _DIGITS] != _seal(name, before, after)[len(_MARK) :]:
        return "is damaged: it is not what was written"
    return None


def to_parquet(table: pa.Table, name: str) -> bytes:
    """A sealed Parquet file, which any reader of Parquet reads."""
    sink = pa.BufferOutputStream()
    # Numbers in lists hardly ever repeat: looking for those that do would take longer than writing them.
    repeating = [each.name for each in table.schema if not pa.types.is_large_list(each.type)]
    pq.write_table(table, sink, use_dictionary=repeating)
    content = memoryview(sink.getvalue())
    # A file ends with its footer, the length of that in four bytes, and PAR1.
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    return _sealed(content, name, footer)


def from_parquet(content: bytes, name: str) -> pa.Table:
    """The table of a sealed Parquet file.

    Raises
    ------
    DataError
        The file is damaged; the text goes on from its name.
    """
    if wrong := fault(content, name):
        raise DataError(wrong)
    try:
        # Not by a scanner: its threads may still hold the bytes when Python ends, and take it down with them.
        with pq.ParquetFile(pa.BufferReader(content)) as opened:
            return opened.read()
    except (OSError, ValueError, TypeError, pa.ArrowException) as error:
        raise DataError(f"is no table: {first_line(error)}") from error


def seal_json(text: str, name: str) -> bytes:
    """A JSON object, written with indents, with its seal as the last entry ``seal``."""
    content = text.encode()
    end = len(content) - len(b"\n}")
    opened = content[:end] + b',\n  "seal": "'
    return _sealed(opened + b'"\n}', name, len(opened))


def seal_line(text: str, name: str) -> bytes:
    """A JSON object, written in a line, with its seal as the last entry ``seal`` and the end of the line."""
    opened = text.encode()[: -len(b"}")] + b', "seal": "'
    return _sealed(opened + b'"}\n', name, len(opened))


def seal_of(content: bytes) -> str:
    """The digits of the last seal in a file or line; empty where there is none."""
    at = content.rfind(_MARK)
    return "" if at < 0 else content[at + len(_MARK) : at + len(_MARK) + _DIGITS].decode(errors="replace")


def seal_html(text: str, name: str) -> bytes:
    """A page of HTML with its seal in a comment at the end."""
    opened = text.encode() + b"<!-- "
    return _sealed(opened + b" -->\n", name, len(opened))


def _sealed(content: bytes | memoryview, name: str, at: int) -> bytes:
    before, after = memoryview(content)[:at], memoryview(content)[at:]
    return b"".join((before, _seal(name, before, after), after))


def _seal(name: str, before: memoryview, after: memoryview) -> bytes:
    hasher = hashlib.sha256()
    for part in (name.encode(), before):
        hasher.update(len(part).to_bytes(8, "little"))
        hasher.update(part)
    hasher.update(after)
    return _MARK + hasher.hexdigest().encode()
