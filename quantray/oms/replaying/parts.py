"""A block shared out by its rule, reckoned another way than whoever shared it out: in fractions, by a rising level.

Everybody's share grows with its weight until it has what it wants; what whole lots leave of it goes to the largest
remainders, and among equal ones to the lowest draw.
"""

import hmac
from collections.abc import Mapping
from fractions import Fraction
from hashlib import sha256

__all__ = ["nearest", "parts"]

_Kept = Mapping[str, tuple[int, int]]
"""Shares that an account wants, and its number of the rule."""


def parts(kept: _Kept, filled: int, lot: int, method: str, block: str, key: str) -> dict[str, int]:
    """Shares of each account out of those that were filled."""
    lots, odd = divmod(filled, lot)
    found: dict[str, int] = {}
    for group in _groups(kept, method):
        here = min(lots, sum(cap for cap, _ in group.values()) // lot)
        exact = _exact({name: (cap // lot, weight) for name, (cap, weight) in group.items()}, here)
        given = {name: int(share) for name, share in exact.items()}
        draws = {name: hmac.new(key.encode(), f"{block}\0{name}".encode(), sha256).hexdigest() for name in exact}
        line = sorted(exact, key=lambda name: (given[name] - exact[name], draws[name]))
        open_ = [name for name in line if exact[name] * lot < group[name][0]]
        extra = here - sum(given.values())
        for name in open_[:extra]:
            given[name] += 1
        found |= {name: count * lot for name, count in given.items()}
        lots -= here
        if odd and open_[extra:]:
            found[open_[extra]] += odd
            odd = 0
    return found


def nearest(amount: int, count: int, filled: int) -> int:
    """The part of an amount that belongs to a number of shares, to the nearest unit; of halves, the even one."""
    return round(Fraction(amount * count, filled)) if count else 0


def _groups(kept: _Kept, method: str) -> list[dict[str, tuple[int, int]]]:
    """Who is served one after the other, with what each may have at most and its weight."""
    wants = {name: (shares, shares) for name, (shares, _) in kept.items()}
    if method == "equal":
        return [{name: (shares, 1) for name, (shares, _) in kept.items()}]
    if method == "priority":
        return [
            {name: wants[name] for name, (_, rank) in kept.items() if rank == each}
            for each in sorted({rank for _, rank in kept.values()})
        ]
    if method in ("capital", "custom"):
        some = {name: both for name, both in kept.items() if both[1]}
        return [some, {name: wants[name] for name in kept if name not in some}]
    return [wants]


def _exact(group: dict[str, tuple[int, int]], lots: int) -> dict[str, Fraction]:
    """Shares at the level at which they come to all of it."""
    reached: dict[str, Fraction] = {}
    rest = dict(group)
    while rest:
        level = Fraction(lots) - sum(reached.values())
        level /= sum(weight for _, weight in rest.values())
        full = {name for name, (cap, weight) in rest.items() if level * weight >= cap}
        if not full:
            break
        reached |= {name: Fraction(rest.pop(name)[0]) for name in full}
    return reached | {name: level * weight for name, (_, weight) in rest.items()}
