"""Two different people sign, neither of them the portfolio manager."""

from datetime import date

import pytest
from pydantic import ValidationError

from quantray.errors import InputError
from quantray.institution.overrides import Override, overriding, signed
from quantray.institution.rules import Position

DAY = date(2026, 3, 2)
RULE = Position(id="cap", kind="position", at_most="0.05", may_override=("cat", "dan", "ann", "eve"))
ASKED = Override(rule="cap", account="A1", reason="a merger that closes on Friday", expires=date(2026, 3, 6))


def sign(override, person, acts_for=None, day=DAY, rule=RULE):
    return signed(override, rule, person, pms=["ann"], acts_for=acts_for, day=day)


def test_it_holds_with_two():
    one = sign(ASKED, "cat")
    assert not one.holds
    two = sign(one, "dan")
    assert two.holds
    assert two.signatures == ("cat", "dan")
    assert overriding([one], "cap", "A1", "AAA", DAY) is None
    assert overriding([two], "cap", "A1", "AAA", DAY) == two
    assert overriding([two], "cap", "A1", "AAA", date(2026, 3, 7)) is None
    assert overriding([two], "cap", "A2", "AAA", DAY) is None
    assert overriding([two], "other", "A1", "AAA", DAY) is None


@pytest.mark.parametrize(
    ("done", "text"),
    [
        (lambda: sign(sign(ASKED, "cat"), "cat"), "'cat' has signed it already; a second person must"),
        (lambda: sign(ASKED, "ann"), "'ann' is or acts for the portfolio manager concerned"),
        (lambda: sign(ASKED, "cat", acts_for="ann"), "is or acts for the portfolio manager concerned"),
        (lambda: sign(ASKED, "mallory"), "'mallory' may not sign it; cat, dan, ann, eve may"),
        (lambda: sign(sign(sign(ASKED, "cat"), "dan"), "eve"), "signed by cat and dan already"),
        (lambda: sign(ASKED, "cat", day=date(2026, 3, 7)), "expired on 2026-03-06"),
        (lambda: sign(ASKED, "cat", rule=RULE.model_copy(update={"id": "other"})), "is not one of 'other'"),
        (lambda: sign(ASKED, "cat", rule=RULE.model_copy(update={"may_override": ()})), "nobody may"),
    ],
)
def test_who_may_not(done, text):
    with pytest.raises(InputError, match=text):
        done()


def test_names_that_would_be_taken_for_others():
    with pytest.raises(ValidationError, match="account"):
        Override(rule="cap", account="A|1", reason="x", expires=DAY)


def test_it_needs_a_reason():
    with pytest.raises(ValidationError, match="reason"):
        Override(rule="cap", account="A1", reason="", expires=DAY)
