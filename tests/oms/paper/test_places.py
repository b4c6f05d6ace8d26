import pytest

from quantray.errors import InputError
from quantray.execution.venues import VENUES, Venue
from quantray.oms.paper.places import PLACES, Place


def test_all_venues_are_there():
    assert set(PLACES) == {venue.name for venue in VENUES}
    assert PLACES["NYSE"].chance == 1 > PLACES["DARK_A"].chance


@pytest.mark.parametrize("chance", [0.0, -0.1, 1.1, float("nan")])
def test_a_chance_out_of_range(chance):
    with pytest.raises(InputError, match="above 0 and at most 1"):
        Place(Venue(name="X"), chance)
