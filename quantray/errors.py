"""Every exception that quantray raises on purpose.

::

    QuantrayError
    ├── InputError       an argument or a setting is wrong; the message says what to change
    ├── DataError        a file, a store or a panel does not hold what it should
    ├── SolverError      an algorithm did not reach a solution it can vouch for
    └── ClusterError     a worker, an address or shared storage cannot be reached

All of them carry one line for the user and survive pickling, so they cross a cluster unchanged.
"""

__all__ = ["ClusterError", "DataError", "InputError", "QuantrayError", "SolverError"]


class QuantrayError(Exception):
    """Base of all errors raised by quantray; its text is one line that says what to do."""


class InputError(QuantrayError):
    """An argument or a setting is wrong."""


class DataError(QuantrayError):
    """A file, a store or a panel does not hold what it should."""


class SolverError(QuantrayError):
    """An algorithm did not reach a solution that it can vouch for."""


class ClusterError(QuantrayError):
    """A worker, an address or shared storage cannot be reached."""
