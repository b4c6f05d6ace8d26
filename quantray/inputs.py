"""Files that people hand in: ordinary files only, text within a limit, and YAML that says each thing once.

YAML can be made to eat memory (a list of aliases of lists of aliases), the stack (lists in lists) or time, and to say a
thing twice; what it says here is small, plain and printable, or refused in a line.
"""

import errno
import os
import re
import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from quantray.errors import InputError, QuantrayError, reason

__all__ = ["open_file", "ordinary_file", "parse_yaml", "read_text", "read_yaml"]

_MOST_BYTES = 4 << 20
_MOST_DEEP = 50
_MOST_VALUES = 200_000
_LARGEST = 2**63
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def ordinary_file(path: str | Path, what: str, *, remedy: str = "", error: type[QuantrayError] = InputError) -> Path:
    """The path of a file that can be read to its end, which pipes, devices and folders cannot.

    Parameters
    ----------
    what : it should be, for messages.
    remedy : what to give instead.
    error : to raise.

    Raises
    ------
    QuantrayError
        It is missing, hidden behind a folder that may not be entered, or no ordinary file.
    """
    file, instead = Path(path), f"; {remedy}." if remedy else "."
    try:
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as missing:
        raise error(f"{what} {file} does not exist{instead}") from missing
    except (OSError, ValueError) as failure:
        raise error(f"{what} {file} cannot be read: {reason(failure)}.") from failure
    if (kind := _other_kind(mode)) is None:
        return file
    raise error(f"{what} {file} is {kind}; {remedy or 'give an ordinary file'}.")


def open_file(path: str | Path) -> BinaryIO:
    """An ordinary file, open for reading; pipes and devices are not opened, as they may keep a reader for ever.

    Raises
    ------
    OSError
        It cannot be opened, or is no ordinary file.
    """
    _refuse_other_kinds(os.stat(path), path)
    # What has come into its place since then keeps nobody waiting, either.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        _refuse_other_kinds(os.fstat(handle), path)
    except OSError:
        os.close(handle)
        raise
    return os.fdopen(handle, "rb")


def read_text(path: str | Path, what: str) -> str:
    """The text of a file of settings.

    Raises
    ------
    InputError
        As ``ordinary_file``, or it may not be read, is far too large or no UTF-8.
    """
    file = ordinary_file(path, what)
    try:
        with open_file(file) as opened:
            if (size := os.fstat(opened.fileno()).st_size) > _MOST_BYTES:
                raise InputError(f"{what} {file} has {size:,} bytes; {_MOST_BYTES:,} are enough for settings.")
            return opened.read().decode()
    except UnicodeDecodeError as error:
        raise InputError(f"{what} {file} is not UTF-8: byte {error.start} cannot be read; save it as UTF-8.") from error
    except OSError as error:
        raise InputError(f"{what} {file} cannot be read: {reason(error)}.") from error


def read_yaml(path: str | Path, what: str) -> Any:
    """What a YAML file holds, nothing of it shared; raises as ``read_text`` and ``parse_yaml``."""
    return parse_yaml(read_text(path, what), str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Plain values from YAML: texts, numbers, dates, lists and mappings, each on its own where an alias repeats it.

    Parameters
    ----------
    where : it comes from, for messages.

    Raises
    ------
    InputError
        It is not valid YAML, says a key twice, nests or repeats without measure, or holds a number, a date or a text
        that no setting can be.
    """
    try:
        loader = _Loader(text)
        return _Plain(where).copy(loader.get_single_data())
    except (yaml.YAMLError, RecursionError) as error:
        deep = f"it is nested more than {_MOST_DEEP} deep" if isinstance(error, RecursionError) else error
        raise InputError(f"{where} is not valid YAML: {' '.join(str(deep).split())}") from error


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key said twice, deep nesting, and what only looks like a number or a date."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > _MOST_DEEP:
            raise yaml.YAMLError(f"it is nested more than {_MOST_DEEP} deep")
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, OverflowError, TypeError, LookupError, AttributeError) as error:
            shown = f"{node.value[:40]!r} " if isinstance(node, yaml.ScalarNode) else "what stands there "
            kind, line = node.tag.rpartition(":")[2], node.start_mark.line + 1
            raise yaml.YAMLError(f"{shown}in line {line} cannot be read as {kind}") from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            said = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if said in seen and key.value != "<<":
                line = key.start_mark.line + 1
                raise yaml.YAMLError(f"the key {key.value[:80]!r} stands there twice, again in line {line}; keep one")
            seen.add(said)
        return super().construct_mapping(node, deep=deep)


class _Plain:
    """Copies in which nothing is shared, within limits."""

    def __init__(self, where: str) -> None:
        self._where, self._count = where, 0

    def copy(self, content: Any, depth: int = 0) -> Any:
        self._count += 1
        if self._count > _MOST_VALUES or depth > _MOST_DEEP:
            raise InputError(f"{self._where} repeats itself without measure: its aliases stand for too much.")
        if isinstance(content, dict):
            return {self._value(key): self.copy(value, depth + 1) for key, value in content.items()}
        if isinstance(content, list):
            return [self.copy(item, depth + 1) for item in content]
        return self._value(content)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str) and (control := _CONTROL.search(value)):
            raise InputError(f"{self._where}: the text {value[:40]!r} holds {control[0]!r}, which no setting can.")
        if isinstance(value, int) and abs(value) >= _LARGEST:
            raise InputError(f"{self._where}: a number of {value.bit_length()} bits is too large for any setting.")
        return value


def _other_kind(mode: int) -> str | None:
    """What is no ordinary file, in words; none for those that are."""
    if stat.S_ISREG(mode):
        return None
    return "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"


def _refuse_other_kinds(seen: os.stat_result, path: str | Path) -> None:
    if (kind := _other_kind(seen.st_mode)) is not None:
        number = errno.EISDIR if stat.S_ISDIR(seen.st_mode) else errno.EINVAL
        raise OSError(number, f"it is {kind}", str(path))
