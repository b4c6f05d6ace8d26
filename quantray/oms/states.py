"""What an order may become: one table, and no other way.

A fill may come after an order has ended, since reports overtake one another; it is booked, and the order stays ended.
"""

from enum import StrEnum
from types import MappingProxyType

from quantray.errors import QuantrayError

__all__ = ["ALLOWED", "ENDED", "OPEN", "State", "TransitionError", "moved"]


class State(StrEnum):
    """Where an order is."""

    NEW = "NEW"
    RESERVED = "RESERVED"
    """Accepted, its cash or shares are set aside, and nothing was sent."""
    SENT = "SENT"
    """About to be handed over, or handed over: from here only the venue knows."""
    ACKED = "ACKED"
    PARTIAL = "PARTIAL"
    FILLED = "FILLED"
    CANCEL_PENDING = "CANCEL_PENDING"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"
    """Nobody here knows whether the venue has it; what was reserved stays so until the venue was asked."""

    # That of an enumeration is Python's own, and sets of states are asked many times for every order.
    __hash__ = str.__hash__


class TransitionError(QuantrayError):
    """An order cannot become that."""


_AT_VENUE = frozenset({State.PARTIAL, State.FILLED, State.CANCELED, State.REJECTED, State.EXPIRED})

ALLOWED = MappingProxyType(
    {
        State.NEW: frozenset({State.RESERVED, State.REJECTED}),
        State.RESERVED: frozenset({State.SENT, State.CANCELED, State.EXPIRED}),
        # Back to RESERVED when it surely never left.
        State.SENT: _AT_VENUE | {State.RESERVED, State.ACKED, State.CANCEL_PENDING, State.UNKNOWN},
        State.ACKED: _AT_VENUE | {State.CANCEL_PENDING, State.UNKNOWN},
        # Back to ACKED when the only fill is taken back.
        State.PARTIAL: (_AT_VENUE - {State.REJECTED}) | {State.ACKED, State.CANCEL_PENDING, State.UNKNOWN},
        # A refused cancellation leaves the order where it was.
        State.CANCEL_PENDING: _AT_VENUE | {State.ACKED, State.UNKNOWN},
        State.UNKNOWN: _AT_VENUE | {State.ACKED},
        State.FILLED: frozenset[State](),
        State.CANCELED: frozenset[State](),
        State.REJECTED: frozenset[State](),
        State.EXPIRED: frozenset[State](),
    }
)
"""What each state may become; the ends have no way out."""

ENDED = frozenset(state for state, after in ALLOWED.items() if not after)
OPEN = frozenset(State) - ENDED - {State.NEW}
"""States in which something is reserved."""


def moved(state: State, to: State) -> State:
    """The state after a transition.

    Raises
    ------
    TransitionError
        The table has no such transition.
    """
    if to not in ALLOWED[state]:
        raise TransitionError(f"an order that is {state} cannot become {to}; ask its venue what it is.")
    return to
