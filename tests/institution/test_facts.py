"""What is known of a name; the rest is unknown."""

import pytest

from quantray.errors import InputError
from quantray.institution.facts import NameFacts
from quantray.settings import checked


def test_what_is_left_out_is_unknown():
    assert NameFacts().market_cap is None
    assert NameFacts(adv_shares=5 * 10**6).adv_shares == 5_000_000


def test_an_unknown_field_is_named():
    with pytest.raises(InputError, match="unknown key 'sectr'; did you mean 'sector'"):
        checked(NameFacts, {"sectr": "Energy"}, "facts.yaml")
