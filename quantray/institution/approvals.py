"""Changing a limit: proposed by one person, approved by another, neither the portfolio manager concerned, in time."""

from dataclasses import dataclass, replace
from typing import Literal

from quantray.errors import InputError

__all__ = ["LimitChange", "decided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChange:
    """A limit that somebody wants to be another.

    Parameters
    ----------
    id : chosen by who proposes it, never used twice.
    scope, key, name : of the limit; ``oms.controls.LIMITS`` has them.
    value : in the limit's unit.
    before : what it was when it was proposed; None where it was not set.
    proposer, decider : people, as they are authenticated.
    expires : UTC, ISO 8601; from then on nobody can approve it.
    """

    id: str
    scope: str
    key: str
    name: str
    value: int
    before: int | None
    reason: str
    proposer: str
    expires: str
    state: Literal["waiting", "approved", "declined"] = "waiting"
    decider: str = ""


def decided(change: LimitChange, person: str, *, concerned: str | None, now: str, approve: bool) -> LimitChange:
    """A change that was approved or declined; who proposed it may decline it, too.

    Parameters
    ----------
    concerned : the portfolio manager whose limit it is; None where it is the firm's.
    now : UTC, ISO 8601.

    Raises
    ------
    InputError
        It was decided or has expired, or the person may not: they proposed it, or are the manager concerned.
    """
    about = f"change {change.id!r} of the limit {change.scope} {change.key} {change.name}".replace("  ", " ")
    if change.state != "waiting":
        raise InputError(f"{about} was {change.state} by {change.decider!r} already; propose another one.")
    if not now < change.expires:
        raise InputError(f"{about} expired at {change.expires}; propose it anew.")
    if concerned is not None and person == concerned:
        raise InputError(f"{about}: {person!r} is the portfolio manager concerned; somebody else must decide.")
    if approve and person == change.proposer:
        raise InputError(f"{about}: {person!r} has proposed it; a second person must approve it.")
    return replace(change, state="approved" if approve else "declined", decider=person)
