"""Every exception that quantray raises on purpose.

::

    QuantrayError
    ├── InputError       an argument or a setting is wrong; the message says what to change
    ├── DataError        a file, a store or a panel does not hold what it should
    ├── LimitBreachError a limit that must not be passed would be
    ├── SolverError      an algorithm did not reach a solution it can vouch for
    └── ClusterError     a worker, an address or shared storage cannot be reached

All of them carry one line for the user, in which secrets are masked and nothing steers a terminal. They survive
pickling, so they cross a cluster unchanged. What the errors of others say goes into that line by ``first_line``, or by
``reason`` where the line names the file itself.
"""

from quantray.printable import masked, printable

__all__ = [
    "ClusterError",
    "DataError",
    "InputError",
    "LimitBreachError",
    "QuantrayError",
    "SolverError",
    "first_line",
    "reason",
]


class QuantrayError(Exception):
    """Base of all errors raised by quantray; its text is one line that says what to do."""

    def __init__(self, *parts: object) -> None:
        super().__init__(*(_line(part) if isinstance(part, str) else part for part in parts))


class InputError(QuantrayError):
    """An argument or a setting is wrong."""


class DataError(QuantrayError):
    """A file, a store or a panel does not hold what it should."""


class LimitBreachError(QuantrayError):
    """A limit that must not be passed would be."""


class SolverError(QuantrayError):
    """An algorithm did not reach a solution that it can vouch for."""


class ClusterError(QuantrayError):
    """A worker, an address or shared storage cannot be reached."""


def first_line(error: BaseException) -> str:
    """What an error says, without what follows; the name of its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def reason(error: BaseException) -> str:
    """What went wrong: of an error of the operating system without its number and its file, else the first line."""
    return getattr(error, "strerror", None) or first_line(error)


_BEGIN, _END = 1200, 600
"""Characters of a line that are kept; a value from outside may have millions."""


def _line(text: str) -> str:
    line = printable(masked(" ".join(filter(None, map(str.strip, text.split("\n"))))))
    return line if len(line) <= _BEGIN + _END + 5 else f"{line[:_BEGIN]} ... {line[-_END:]}"
