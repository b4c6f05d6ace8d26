"""Two people change a limit, in time, and neither is the one whom it binds."""

from dataclasses import replace

import pytest

from quantray.errors import InputError
from quantray.institution.approvals import LimitChange, decided

CHANGE = LimitChange(
    id="C1",
    scope="pm",
    key="ann",
    name="capital",
    value=5,
    before=4,
    reason="more accounts",
    proposer="rita",
    expires="2026-03-02T18:00:00.000000Z",
)
NOW, LATER = "2026-03-02T17:00:00.000000Z", "2026-03-02T18:00:00.000000Z"


def test_a_second_person_approves():
    found = decided(CHANGE, "omar", concerned="ann", now=NOW, approve=True)
    assert found == replace(CHANGE, state="approved", decider="omar")


def test_whoever_proposed_may_take_it_back():
    assert decided(CHANGE, "rita", concerned="ann", now=NOW, approve=False).state == "declined"


@pytest.mark.parametrize(
    ("person", "change", "now", "said"),
    [
        ("rita", {}, NOW, "'rita' has proposed it; a second person must approve it"),
        ("ann", {}, NOW, "'ann' is the portfolio manager concerned"),
        ("omar", {}, LATER, "expired at 2026-03-02T18:00"),
        ("omar", {"state": "approved", "decider": "olga"}, NOW, "was approved by 'olga' already"),
    ],
)
def test_who_may_not_and_what_cannot_be_approved(person, change, now, said):
    with pytest.raises(InputError, match=said):
        decided(replace(CHANGE, **change), person, concerned="ann", now=now, approve=True)
