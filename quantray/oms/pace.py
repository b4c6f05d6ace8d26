"""How the interpreter of a gate's process shares itself among threads, and when it looks for garbage."""

import gc
import sys

__all__ = ["keep_pace"]

_SWITCH_SECONDS = 5e-4


def keep_pace() -> None:
    """Let no thread wait long for another, or for a search of what was loaded: for the process of a gate that runs.

    A thread whose commit is on disk gets the interpreter back within half a millisecond, a tenth of the default. What
    is there now, such as the orders of earlier days, is never looked through for garbage.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
