"""What a block filled, shared out among the accounts that asked for it: whole lots, one price, nothing left over.

Demands are filtered and capped before anything is traded. What is filled is shared once by the rule: in proportion to
a weight, but never more than a demand; what that leaves goes to the largest remainders. Among equal remainders a draw
decides that is keyed by the block and the account, so it is the same whenever it is asked, and over many blocks favours
nobody.

Largest remainders keep every account within one lot of its exact share. They do not promise that an account gets no
less when the block fills one lot more (the Alabama paradox), which no rule needs that shares out once. ``equal``, and
``priority`` where no two ranks are the same, do promise it.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from quantray.errors import InputError
from quantray.inputs import imported

__all__ = [
    "NUMBERED",
    "Filtered",
    "LeftOut",
    "Method",
    "Priced",
    "Restriction",
    "Rule",
    "allocate",
    "filtered",
    "keyed_draw",
    "priced",
]

Method = Literal["pro_rata", "capital", "equal", "priority", "custom"]

Restriction = Callable[[str, int], str]
"""Called with an account and its shares: why it may not have them; empty where it may."""

_MOST = 10**17
NUMBERED = ("capital", "priority", "custom")
"""Methods that need a number of each account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How what is filled is shared out.

    Parameters
    ----------
    method : ``pro_rata`` by demand; ``capital`` and ``custom`` by ``numbers``; ``equal`` the same for everybody;
        ``priority`` rank after rank (1 is first), and by demand within one.
    numbers : of every account, whole: its capital in any unit, its rank or its weight. An account without weight is
        served after all that have some.
    function : of ``custom``, ``module:name`` of one that makes demands into ``numbers``.
    """

    method: Method = "pro_rata"
    numbers: Mapping[str, int] = field(default_factory=dict)
    function: str = ""

    def resolved(self, demands: Mapping[str, int]) -> "Rule":
        """The same with its numbers: here, and nowhere later, a user's function is called.

        Raises
        ------
        InputError
            The method is none, the function cannot be imported, or an account lacks a whole number.
        """
        if self.method not in ("pro_rata", "equal", *NUMBERED) or (self.function and self.method != "custom"):
            raise InputError(
                f"method {self.method!r}{' with a function' if self.function else ''}: give pro_rata, capital, equal, "
                "priority or custom, and a function to custom alone."
            )
        if self.method not in NUMBERED:
            return Rule(method=self.method)
        numbers = dict(_function(self.function)(demands)) if self.function else self.numbers
        for account in demands:
            if not _is_count(numbers.get(account), least=0):
                raise InputError(
                    f"account {account!r} has the {self.method} number {numbers.get(account)!r}; give each account "
                    "of the block a whole one, not negative."
                )
        return replace(self, numbers={account: numbers[account] for account in demands}, function="")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Shares that an account asked for and that are not traded, and why."""

    account: str
    shares: int
    reason: str


@dataclass(frozen=True, slots=True)
class Filtered:
    """Who stays, with how much, and what is left out."""

    demands: Mapping[str, int]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What everybody's shares come to at one average price, in units of money.

    Parameters
    ----------
    amounts, fees : of each account, to the nearest unit; of halves, the even one.
    amount_left, fee_left : what rounding leaves, and what belongs to shares of nobody.
    """

    amounts: Mapping[str, int]
    fees: Mapping[str, int]
    amount_left: int
    fee_left: int


def filtered(
    demands: Mapping[str, int],
    restrictions: Iterable[Restriction] = (),
    *,
    held: Mapping[str, int] | None = None,
    lot: int = 1,
) -> Filtered:
    """Demands without those that may not be, and of sales no more than is held.

    Parameters
    ----------
    restrictions : asked in turn; the first that objects says why.
    held : of sales, the shares that each account has to sell; whole lots of them stay, the rest is left out.

    Raises
    ------
    InputError
        A demand is no whole number of lots.
    """
    asked = tuple(restrictions)
    stay: dict[str, int] = {}
    left: list[LeftOut] = []
    for account, shares in _checked(demands, lot).items():
        if why := next((reason for each in asked if (reason := each(account, shares))), ""):
            left.append(LeftOut(account, shares, why))
            continue
        most = shares if held is None else max(min(shares, held.get(account, 0)) // lot * lot, 0)
        if most:
            stay[account] = most
        if most < shares:
            left.append(LeftOut(account, shares - most, "position"))
    return Filtered(stay, tuple(left))


def allocate(
    demands: Mapping[str, int], filled: int, *, block: str, key: bytes, rule: Rule = Rule(), lot: int = 1
) -> dict[str, int]:
    """Shares of each account out of those that were filled; they sum to ``filled``, and none is more than its demand.

    Parameters
    ----------
    demands : whole lots by account, as ``filtered`` leaves them.
    filled : shares; beyond whole lots, the rest goes to whoever is next.
    block, key : of the draw among equals; see ``keyed_draw``.

    Raises
    ------
    InputError
        More is filled than was demanded, or demands or the rule are none.

    Source: Hamilton's method of apportionment, with demands as bounds.
    """
    wanted = _checked(demands, lot)
    total = sum(wanted.values())
    if not _is_count(filled, least=0) or filled > total:
        raise InputError(f"block {block!r} filled {filled:,} shares, of which {total:,} were demanded.")
    left, odd = divmod(filled, lot)
    given: dict[str, int] = {}
    draw = _draws(key, block)
    for tier in _tiers(rule.resolved(wanted), {account: shares // lot for account, shares in wanted.items()}):
        shared, following = _shared(tier, left, draw, odd=odd > 0)
        given |= {account: lots * lot for account, lots in shared.items()}
        left -= sum(shared.values())
        if odd and following:
            given[following] += odd
            odd = 0
    return {account: given[account] for account in wanted}


def keyed_draw(key: bytes, block: str, account: str) -> bytes:
    """Where an account stands among equals in a block, the lowest first: HMAC-SHA256 of both, which a key decides."""
    return hmac.digest(key, f"{block}\0{account}".encode(), "sha256")


def priced(shares: Mapping[str, int], filled: int, amount: int, fee: int) -> Priced:
    """What a block cost or brought, shared out by shares at its one average price, ``amount / filled``.

    Parameters
    ----------
    shares : of each account, which may sum to less than ``filled``.
    amount, fee : units of money of all that was filled; a rebate is negative.
    """
    amounts = {account: _nearest(amount * count, filled) if count else 0 for account, count in shares.items()}
    fees = {account: _nearest(fee * count, filled) if count else 0 for account, count in shares.items()}
    return Priced(
        amounts=amounts,
        fees=fees,
        amount_left=amount - sum(amounts.values()),
        fee_left=fee - sum(fees.values()),
    )


_Tier = Mapping[str, tuple[int, int]]
"""What each account may have at most, and its weight."""


def _tiers(rule: Rule, caps: Mapping[str, int]) -> list[_Tier]:
    """Accounts in the order in which they are served."""
    numbers = rule.numbers
    if rule.method == "equal":
        return [{account: (cap, 1) for account, cap in caps.items()}]
    if rule.method == "pro_rata":
        return [{account: (cap, cap) for account, cap in caps.items()}]
    if rule.method == "priority":
        ranks = sorted({numbers[account] for account in caps})
        return [{a: (cap, cap) for a, cap in caps.items() if numbers[a] == rank} for rank in ranks]
    weighted = {account: (cap, numbers[account]) for account, cap in caps.items() if numbers[account]}
    return [weighted, {account: (cap, cap) for account, cap in caps.items() if not numbers[account]}]


def _shared(tier: _Tier, lots: int, draw: Callable[[str], bytes], *, odd: bool) -> tuple[dict[str, int], str]:
    """Lots of each account of a tier, and who is next for what is ``odd``; nobody where all have theirs."""
    given = {account: 0 for account, (cap, _) in tier.items() if not cap}
    # From the one whose demand is reached first; exact, since two ratios of such numbers differ by more.
    order = sorted(tier.keys() - given.keys(), key=lambda account: (tier[account][0] << 128) // tier[account][1])
    weight = sum(tier[account][1] for account in order)
    full = 0
    for account in order:
        cap, own = tier[account]
        if lots * own < cap * weight:
            break
        given[account] = cap
        lots, weight, full = lots - cap, weight - own, full + 1
    parts = {account: divmod(lots * tier[account][1], weight) for account in order[full:]}
    if not parts:
        return given, ""
    extra = lots - sum(whole for whole, _ in parts.values())
    edge = sorted((rest for _, rest in parts.values()), reverse=True)[extra]
    equals = [account for account, (_, rest) in parts.items() if rest == edge]
    above = {account for account, (_, rest) in parts.items() if rest > edge}
    ahead = extra - len(above)
    if ahead or odd:
        equals.sort(key=draw)
    served = above.union(equals[:ahead])
    given |= {account: whole + (account in served) for account, (whole, _) in parts.items()}
    return given, equals[ahead]


def _draws(key: bytes, block: str) -> Callable[[str], bytes]:
    """``keyed_draw`` of one block, for many accounts."""
    begun = hmac.new(key, f"{block}\0".encode(), "sha256")

    def draw(account: str) -> bytes:
        each = begun.copy()
        each.update(account.encode())
        return each.digest()

    return draw


def _checked(demands: Mapping[str, int], lot: int) -> Mapping[str, int]:
    if not _is_count(lot, least=1):
        raise InputError(f"a lot of {lot!r} is no lot; give 1 or more.")
    for account, shares in demands.items():
        if not _is_count(shares, least=0) or shares % lot:
            raise InputError(f"account {account!r} demands {shares!r} shares, which are no whole lots of {lot:,}.")
    return demands


def _is_count(number: object, *, least: int) -> bool:
    return type(number) is int and least <= number <= _MOST


def _nearest(numerator: int, denominator: int) -> int:
    whole, rest = divmod(numerator, denominator)
    # Half to even, which favours no side over many blocks.
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))


def _function(path: str) -> Callable[[Mapping[str, int]], Mapping[str, int]]:
    found = imported(path, "the rule")
    if not callable(found):
        raise InputError(f"the rule {path!r} is no function; name one as module:name.")
    return found  # type: ignore[no-any-return]  # whoever wrote it answers for what it returns
