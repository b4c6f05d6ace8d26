"""Letting an account break a rule for a while: signed by two people, neither of them its portfolio manager."""

from collections.abc import Sequence
from datetime import date

from pydantic import Field

from quantray.errors import InputError
from quantray.institution.rules import Name, Rule
from quantray.settings import SettingsModel

__all__ = ["Override", "overriding", "signed"]


_NAME = r"^[^|]*$"
"""What stands between the names where all three are one."""


class Override(SettingsModel):
    """That a rule does not hold for an account, or for a symbol of it, until a day."""

    rule: Name = Field(pattern=_NAME)
    account: str = Field("", max_length=64, pattern=_NAME)
    """Empty for a rule over several accounts together."""
    symbol: str = Field("", max_length=64, pattern=_NAME)
    """Empty for all that the rule is about."""
    reason: str = Field(min_length=1, max_length=200)
    expires: date
    """Last day."""
    signatures: tuple[str, ...] = Field((), max_length=2)
    """People, in the order in which they signed; it holds with two."""

    @property
    def holds(self) -> bool:
        """Whether two have signed."""
        return len(self.signatures) == 2


def signed(
    override: Override, rule: Rule, person: str, *, pms: Sequence[str], acts_for: str | None, day: date
) -> Override:
    """An override with one more signature.

    Parameters
    ----------
    person : who signs, as they are authenticated.
    pms : whose accounts the override is about.
    acts_for : the portfolio manager that the person is or acts for; None where for none.

    Raises
    ------
    InputError
        The rule lets this person override nothing, they signed before, they are the portfolio manager concerned, the
        override is signed already or has expired, or it is of another rule.
    """
    about = f"override of {override.rule!r}"
    if override.rule != rule.id:
        raise InputError(f"{about} is not one of {rule.id!r}; sign that of the rule itself.")
    if person not in rule.may_override:
        who = ", ".join(rule.may_override) or "nobody"
        raise InputError(f"{about}: {person!r} may not sign it; {who} may.")
    if person in pms or (acts_for is not None and acts_for in pms):
        raise InputError(
            f"{about}: {person!r} is or acts for the portfolio manager concerned; somebody else must sign."
        )
    if person in override.signatures:
        raise InputError(f"{about}: {person!r} has signed it already; a second person must.")
    if override.holds:
        raise InputError(f"{about} is signed by {' and '.join(override.signatures)} already; it needs no third.")
    if override.expires < day:
        raise InputError(f"{about} expired on {override.expires}; ask for one that lasts.")
    return override.model_copy(update={"signatures": (*override.signatures, person)})


def overriding(overrides: Sequence[Override], rule: str, account: str, symbol: str, day: date) -> Override | None:
    """The override that lets something pass on a day; None where none does."""
    for it in overrides:
        if it.holds and day <= it.expires and (it.rule, it.account) == (rule, account) and it.symbol in ("", symbol):
            return it
    return None
