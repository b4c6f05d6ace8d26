"""What goes wrong at a paper venue: by chance, drawn by identity, or on command, while it runs."""

from typing import Literal

from pydantic import Field

from quantray.inputs import parse_yaml
from quantray.settings import SettingsModel, checked

__all__ = ["CRASHED", "Faults", "read_faults"]

CRASHED = 9
"""Exit code of a venue that was told to crash."""

Chance = Field(0.0, ge=0, le=1)


class Faults(SettingsModel):
    """Chances, each drawn for an order, a report or a request by its identity, and a crash at a given write."""

    drop: float = Chance
    """A request is never answered, and nothing is done."""
    delay: float = Chance
    """A request is handled ``delay_ms`` later."""
    delay_ms: float = Field(20.0, ge=0, le=60_000)
    disconnect: float = Chance
    """The connection ends instead of a request being handled."""
    lose: float = Chance
    """A request is handled, and the connection ends instead of an answer."""
    reject: float = Chance
    """A good order is rejected."""
    duplicate: float = Chance
    """A report comes again, under another number."""
    overtake: float = Chance
    """A report is held back until others have come."""
    crash: Literal["", "before commit", "after commit"] = ""
    """Where the process ends as by ``kill -9``, once."""
    crash_after: int = Field(1, ge=1)
    """At which write from now on."""


def read_faults(text: str) -> Faults:
    """Faults from JSON; raises ``InputError`` where it is none, or a name or a number is wrong."""
    return checked(Faults, parse_yaml(text, "faults") or {}, "faults")
