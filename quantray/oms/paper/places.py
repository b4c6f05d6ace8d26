"""The venues behind the paper book: what ``execution.venues`` says of each, and how often somebody is there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from quantray.errors import InputError
from quantray.execution.venues import VENUES, Venue

__all__ = ["PLACES", "Place", "named_places"]


@dataclass(frozen=True)
class Place:
    """A venue as the paper book plays it.

    Parameters
    ----------
    chance : that an order that could trade in a bar finds somebody there; drawn for each order and bar.

    Raises
    ------
    InputError
        The chance is not above 0 and at most 1.
    """

    venue: Venue
    chance: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.chance <= 1:
            raise InputError(f"venue {self.venue.name}: a chance of {self.chance:g} must be above 0 and at most 1.")


def named_places(places: Iterable[Place]) -> Mapping[str, Place]:
    """Places by the names that orders call them by."""
    return MappingProxyType({place.venue.name: place for place in places})


_DARK = 0.4

PLACES = named_places(Place(venue, _DARK if venue.kind == "dark" else 1.0) for venue in VENUES)
"""An illustration: lit venues always have somebody, dark pools in two bars of five."""
