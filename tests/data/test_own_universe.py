"""Universes of users' own: members are whom they name, from what was known then."""

import numpy as np
import own_universes
import pytest
from numpy.testing import assert_array_equal

from quantray.data.own_universe import OwnUniverse
from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, InputError, SolverError

PANEL = simulate_market(6, 90, seed=4).panel


def own(name, **parameters):
    return OwnUniverse(f"own_universes:{name}", parameters)


def test_members_are_whom_the_function_names_and_who_have_a_close():
    known = ~np.isnan(PANEL.field("close"))
    assert_array_equal(own("risen", days=5).membership(PANEL), own_universes.risen(PANEL, 5) & known)
    shown = OwnUniverse("own_universes:traded", {"least": 1e6}, 30, ("volume",))
    assert (shown.warm_up_days, shown.fields) == (30, ("volume",))
    assert_array_equal(shown.membership(PANEL), PANEL.field("close") * PANEL.field("volume") > 1e6)
    assert shown.membership(PANEL.until(0)).shape == (1, 6)
    with pytest.raises(DataError, match="asks for volume, which the data have not; they have close: leave it out"):
        shown.membership(PANEL.with_only("close"))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("peeks", r"universe 'own_universes:peeks' gave other members on \d+-\d+-\d+ when later .*: it looks ahead"),
        ("draws", "gave other members when asked again: it draws random numbers without a seed"),
    ],
)
def test_what_is_not_decided_from_what_was_known_is_refused(name, told):
    with pytest.raises(InputError, match=told):
        own(name).membership(PANEL)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("weights", r"gave \(90, 6\) of float64; it must give \(90, 6\) of true and false"),
        ("one_day", r"gave \(6,\) of bool; it must give \(90, 6\)"),
        ("raises", "universe 'own_universes:raises' raised ValueError: nobody"),
    ],
)
def test_what_is_no_membership_is_refused(name, told):
    with pytest.raises(SolverError, match=told):
        own(name).membership(PANEL)
