"""How much of every limit is used: of the firm for those who watch all of it, of a manager for the manager."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Literal

from quantray.institution.firm_exposures import var_of
from quantray.institution.firm_factors import SCALE
from quantray.institution.firm_limits import FirmLimits
from quantray.oms.firm import catch_up
from quantray.oms.ledger import Ledger

__all__ = ["LimitUsage", "firm_usage", "manager_usage"]


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """A limit, at the worst case of all that is open.

    Parameters
    ----------
    scope, key, name : as ``controls.set_limits`` has them; ``key`` is the one that is used most where a limit of the
        firm is on each of many.
    value : in the unit of the limit; None where nobody can measure it, as ``note`` tells.
    soft, hard : None where none was set.
    """

    scope: str
    key: str
    name: str
    value: int | None
    soft: int | None
    hard: int | None
    note: str = ""

    @property
    def state(self) -> Literal["met", "unknown", "soft", "hard"]:
        """Which level is passed."""
        if self.value is None:
            return "unknown"
        if self.hard is not None and self.value > self.hard:
            return "hard"
        return "soft" if self.soft is not None and self.value > self.soft else "met"

    @property
    def used(self) -> float:
        """Of the hard level, or of the soft one where there is no other; infinite of none at all."""
        level = self.hard if self.hard is not None else self.soft
        if self.value is None or not level:
            return 0.0 if self.value == 0 else float("inf")
        return float(Fraction(self.value, level))


def firm_usage(ledger: Ledger) -> tuple[LimitUsage, ...]:
    """Limits of the firm, of all managers, sectors and factors, the most used first; what is unknown before all."""
    found = [*_plain(ledger), *(each for pm in _managers(ledger) for each in manager_usage(ledger, pm))]
    if ledger.firm is not None:
        catch_up(ledger)
        found += _further(ledger, ledger.firm)
    return tuple(sorted(found, key=lambda it: (it.state != "unknown", -it.used)))


def manager_usage(ledger: Ledger, pm: str) -> tuple[LimitUsage, ...]:
    """What a manager may know of limits: the own ones, and nothing of the firm's."""
    return (_usage(ledger, "pm", pm, "capital", ledger.gross_of_pm.get(pm, 0)),)


def _managers(ledger: Ledger) -> list[str]:
    return sorted({account.pm for account in ledger.accounts.values()})


def _plain(ledger: Ledger) -> Iterator[LimitUsage]:
    yield _usage(ledger, "firm", "", "gross", ledger.gross)
    yield _usage(ledger, "firm", "", "net", max(ledger.long, -ledger.short, 0))
    sizes = {symbol: it.worst * ledger.instruments[symbol].mark for symbol, it in ledger.totals.items()}
    largest = max(sizes, key=lambda symbol: sizes[symbol], default="")
    yield _usage(ledger, "firm", largest, "single_name", sizes.get(largest, 0))


def _further(ledger: Ledger, limits: FirmLimits) -> Iterator[LimitUsage]:
    sums = limits.exposures
    unmodelled = sums.unmodelled()
    without = f"the factors do not know {len(unmodelled)} names, such as {unmodelled[0]}" if unmodelled else ""
    for sector in sorted({it.sector for it in ledger.facts.values()} | sums.sectors.keys()):
        value, own = sums.sectors.get(sector, 0), _levels(ledger, "sector", sector, "gross")
        soft, hard = _own_or(own, _levels(ledger, "firm", "", "sector"))
        if not sector and value and (soft, hard) != (None, None):
            yield LimitUsage("sector", "", "gross", None, soft, hard, f"names without one are worth {value:,}")
        elif sector:
            yield from _asked(LimitUsage("sector", sector, "gross", value, soft, hard))
    general = _levels(ledger, "firm", "", "factor")
    for factor, size in zip(limits.factor_names, sums.sizes(), strict=True):
        soft, hard = _own_or(_levels(ledger, "factor", factor, "exposure"), general)
        at = None if without else -(-size // SCALE)
        yield from _asked(LimitUsage("factor", factor, "exposure", at, soft, hard, without))
    lost = None if without else var_of(sums.variance()) + 1
    yield from _asked(_usage(ledger, "firm", "", "var", lost, without))
    yield from _asked(_liquidity(ledger, limits))
    yield from _asked(_correlation(ledger, limits, without))


def _liquidity(ledger: Ledger, limits: FirmLimits) -> LimitUsage:
    held = {symbol: it.worst for symbol, it in ledger.totals.items() if it.worst}
    days = {symbol: limits.days(symbol, shares) for symbol, shares in held.items()}
    unknown = sorted(symbol for symbol, each in days.items() if each is None)
    if unknown:
        note = f"the volume of {len(unknown)} names is unknown, such as {unknown[0]}"
        return _usage(ledger, "firm", unknown[0], "liquidity_days", None, note)
    slowest = max(days, key=lambda symbol: days[symbol] or 0, default="")
    return _usage(ledger, "firm", slowest, "liquidity_days", days.get(slowest, 0))


def _correlation(ledger: Ledger, limits: FirmLimits, without: str) -> LimitUsage:
    together = limits.exposures.together
    if together is None:
        return _usage(ledger, "firm", "", "correlation_bps", 0)
    highest, who = 0, ""
    for pm in together.factors:
        for other, at, of in together.correlations(pm, {}):
            # Rounded up, as everything here that is no whole number.
            if at > 0 and (bps := isqrt((at * at * 10**8 - 1) // of) + 1) > highest:
                highest, who = bps, " and ".join(sorted((pm, other)))
    return _usage(ledger, "firm", who, "correlation_bps", None if without else highest, without)


def _own_or(
    own: tuple[int | None, int | None], general: tuple[int | None, int | None]
) -> tuple[int | None, int | None]:
    soft, hard = (mine if mine is not None else theirs for mine, theirs in zip(own, general, strict=True))
    return soft, hard


def _levels(ledger: Ledger, scope: str, key: str, name: str) -> tuple[int | None, int | None]:
    return ledger.limits.get((scope, key, f"warn_{name}")), ledger.limits.get((scope, key, name))


def _usage(ledger: Ledger, scope: str, key: str, name: str, value: int | None, note: str = "") -> LimitUsage:
    soft, hard = _levels(ledger, scope, key if scope != "firm" else "", name)
    return LimitUsage(scope, key, name, value, soft, hard, note)


def _asked(use: LimitUsage) -> Iterator[LimitUsage]:
    """It, if somebody set a level of it."""
    if (use.soft, use.hard) != (None, None):
        yield use
