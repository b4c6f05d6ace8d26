"""What people hand in: functions by name; ordinary files, text within a limit, and YAML that says each thing once.

YAML can be made to eat memory (a list of aliases of lists of aliases), the stack (lists in lists) or time (merges of
merges, numbers in base sixty), and to say a thing twice; what it says here is small, plain and printable, or refused in
a line.
"""

import difflib
import errno
import importlib
import os
import re
import stat
from collections.abc import Hashable
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from quantray.errors import InputError, QuantrayError, first_line, reason

__all__ = ["imported", "open_file", "ordinary_file", "parse_yaml", "read_text", "read_yaml"]

_MOST_BYTES = 4 << 20
_MOST_DEEP = 50
_MOST_VALUES = 100_000
"""That a file holds or stands for, keys counted."""
_LARGEST = 2**63
_LONGEST_NUMBER = 100
"""Characters of one."""
_TAG = "tag:yaml.org,2002:"
_KINDS = ("null", "bool", "int", "float", "timestamp", "str", "seq", "map")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def imported(path: str, what: str) -> Any:
    """What an import path such as ``package.module:name`` names.

    Parameters
    ----------
    what : what it is for, for messages.

    Raises
    ------
    InputError
        It is no such path, or cannot be imported.
    """
    module, colon, name = path.partition(":")
    if not colon:
        raise InputError(f"{what} {path!r} is not of the form module:name.")
    try:
        found = importlib.import_module(module)
    except (ImportError, TypeError, ValueError) as error:
        raise InputError(f"{what} {path!r} cannot be imported: {error}; is it installed, or in PYTHONPATH?") from error
    except SystemExit as error:
        raise InputError(
            f"{what} {path!r} cannot be imported: its module ends the program; do that under if __name__ == '__main__'."
        ) from error
    except Exception as error:
        raise InputError(f"{what} {path!r} cannot be imported: {type(error).__name__}: {first_line(error)}.") from error
    try:
        return getattr(found, name)
    except AttributeError as error:
        close = difflib.get_close_matches(name, dir(found), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it is {getattr(found, '__file__', None) or 'built in'}."
        raise InputError(f"{what} {path!r} cannot be imported: module {module} has no {name!r}; {hint}") from error


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
        It is not valid YAML, says a key twice, nests or repeats without measure, or holds what is none of these or no
        setting can be.
    """
    try:
        return _Plain(where).copy(_Loader(text).get_single_data())
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{where} is not valid YAML: {_wrong_with(error)}") from error


class _Loader(yaml.SafeLoader):
    """YAML of plain values, each made once and in time that grows with the text.

    Mappings are merged as values: PyYAML merges the pairs that they were written with, again at each alias.
    """

    yaml_constructors = {  # noqa: RUF012  (a class's table in PyYAML)
        tag: make
        for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix(_TAG) in _KINDS
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._nodes = self._merged = 0
        # Or a mapping could be merged before it is filled.
        self.deep_construct = True

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth, self._nodes = self._depth + 1, self._nodes + 1
        if self._depth > _MOST_DEEP:
            raise yaml.YAMLError(f"it is nested more than {_MOST_DEEP} deep")
        if self._nodes > _MOST_VALUES:
            raise yaml.YAMLError(f"it holds more than {_MOST_VALUES:,} values")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep=deep)
        except (ValueError, OverflowError, TypeError, LookupError, AttributeError) as error:
            shown = f"{node.value[:40]!r} " if isinstance(node, yaml.ScalarNode) else "what stands there "
            raise yaml.YAMLError(
                f"{shown}in line {_line(node)} cannot be read as {node.tag.removeprefix(_TAG)}"
            ) from error
        if isinstance(value, int) and abs(value) >= _LARGEST:
            raise yaml.YAMLError(f"a number of {value.bit_length()} bits is too large for any setting")
        return value

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> str:
        # Of a mapping PyYAML would take what stands under its key "=".
        if not isinstance(node, yaml.ScalarNode):
            raise ValueError(f"a {node.id} is no scalar")
        text: str = node.value
        # Numbers in base sixty take time as the square of their length.
        if len(text) > _LONGEST_NUMBER and node.tag in (f"{_TAG}int", f"{_TAG}float"):
            raise ValueError("too long for a number")
        if control := _CONTROL.search(text):
            raise yaml.YAMLError(
                f"character {control.start() + 1} of the text in line {_line(node)} holds {control[0]!r}, which no "
                "setting can"
            )
        return text

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise ValueError("no mapping")
        merged: dict[Hashable, Any] = {}
        own: dict[Hashable, Any] = {}
        for name, content in node.value:
            if name.tag == f"{_TAG}merge":
                for source in self._sources(content):
                    merged |= source
                continue
            key = self.construct_object(name)
            if not isinstance(key, Hashable):
                raise yaml.YAMLError(f"found unhashable key in line {_line(name)}")
            if key in own:
                raise yaml.YAMLError(
                    f"the key {name.value[:80]!r} stands there twice, again in line {_line(name)}; keep one"
                )
            own[key] = self.construct_object(content)
        return merged | own

    def _sources(self, node: yaml.Node) -> list[dict[Hashable, Any]]:
        """What is merged into a mapping; of two sources with a key, the last one counts."""
        found = self.construct_object(node)
        sources = found[::-1] if isinstance(found, list) else [found]
        if not all(isinstance(source, dict) for source in sources):
            raise yaml.YAMLError(f"what is merged in line {_line(node)} is no mapping")
        self._merged += sum(1 + len(source) for source in sources)
        if self._merged > _MOST_VALUES:
            raise yaml.YAMLError("its merges stand for too much")
        return sources


class _Plain:
    """Copies in which nothing is shared, within limits."""

    def __init__(self, where: str) -> None:
        self._where, self._count, self._characters = where, 0, 0

    def copy(self, content: Any, depth: int = 0) -> Any:
        self._count += 1
        self._characters += len(content) if isinstance(content, str) else 0
        if self._count > _MOST_VALUES or self._characters > _MOST_BYTES or depth > _MOST_DEEP:
            raise InputError(f"{self._where} repeats itself without measure: its aliases stand for too much.")
        if isinstance(content, dict):
            return {self.copy(key, depth): self.copy(value, depth + 1) for key, value in content.items()}
        if isinstance(content, list):
            return [self.copy(item, depth + 1) for item in content]
        return content


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _wrong_with(error: yaml.YAMLError | RecursionError) -> str:
    """In a line, which repeats no line of the file: it may hold a secret."""
    if isinstance(error, RecursionError):
        return f"it is nested more than {_MOST_DEEP} deep"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        at, words = error.problem_mark, ": ".join(filter(None, (error.context, error.problem)))
        return f"{words} in line {at.line + 1}, column {at.column + 1}"
    return " ".join(str(error).split())


def _other_kind(mode: int) -> str | None:
    """What is no ordinary file, in words; none for those that are."""
    if stat.S_ISREG(mode):
        return None
    return "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"


def _refuse_other_kinds(seen: os.stat_result, path: str | Path) -> None:
    if (kind := _other_kind(seen.st_mode)) is not None:
        number = errno.EISDIR if stat.S_ISDIR(seen.st_mode) else errno.EINVAL
        raise OSError(number, f"it is {kind}", str(path))
