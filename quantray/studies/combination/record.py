"""What combining strategies found: how capital was shared, what netting saved, and how sure the differences are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quantray.analytics.bootstrap import Estimate, Resampling
from quantray.analytics.metrics import varies
from quantray.analytics.selection import Deflated, SharpeEstimate, deflated_sharpe
from quantray.analytics.sharpe_intervals import sharpe_difference, sharpe_interval
from quantray.arrays import TRADING_DAYS, Dates, Float, digest
from quantray.portfolio.strategy_mix import MixResult
from quantray.studies.evaluation.search import Parameters

__all__ = ["BEST", "EQUAL", "MIX", "Account", "AccountOutcome", "CombinationRecord", "Member", "Netting", "evaluate"]

MIX = "Mix"
EQUAL = "Equal shares"
BEST = "Best in hindsight"
"""The one strategy whose Sharpe ratio turned out highest; nobody could have chosen it."""


@dataclass(frozen=True)
class Member:
    """One strategy that may receive capital."""

    name: str
    """Unique."""
    entry: str
    """Name in the catalogue."""
    family: str
    """What kind of strategy it is."""
    parameters: Parameters


@dataclass(frozen=True, eq=False)
class Netting:
    """Positions and trades on K days of rebalancing, before and after those of strategies cancel.

    All are fractions of NAV; money traded counts purchases and sales. ``gross`` adds up what each strategy would hold
    or trade alone, ``net`` is that of the one book that they make together.
    """

    exposure_gross: Float
    """(K,) long and short positions after trading."""
    exposure_net: Float
    moved_gross: Float
    """(K,) trades that move capital between strategies."""
    moved_net: Float
    """(K,) the same in one book; these are charged."""
    moving_cost_gross: Float
    """(K,) what the trades that move capital would cost if strategies traded alone."""
    moving_cost_net: Float
    """(K,) what they cost in one book."""
    traded_gross: Float
    """(K,) trades by which strategies change their positions on the same day; these are charged."""
    traded_net: Float
    """(K,) the same in one book; what cancels is not credited."""
    effective_names: Float
    """(K,) squared gross exposure of the one book over its sum of squared weights; NaN where it holds nothing."""


@dataclass(frozen=True, eq=False)
class Account:
    """Capital on C strategies through D days, with K days of rebalancing."""

    name: str
    returns: Float
    """(D,) after costs, those of moving capital included."""
    turnover: Float
    """(D,) one-way: the strategies' own trades, not netted, and moves of capital, netted."""
    costs: Float
    """(D,) fraction of NAV paid for them, which the returns are net of."""
    shares: Float
    """(K, C) of NAV decided; what is left is cash. Between rebalances they drift with what strategies earn."""
    netting: Netting


@dataclass(frozen=True)
class AccountOutcome:
    """How an account did, and what the mix has over it."""

    account: str
    sharpe: Estimate | None
    """Yearly; None where it held nothing."""
    deflated: Deflated | None
    """Against the best of as many strategies without skill as there are."""
    mix_over: Estimate | None
    """Sharpe ratio of the mix less that of the account, paired by day; None for the mix."""


@dataclass(frozen=True, eq=False)
class CombinationRecord:
    """All that a combination found. D out-of-sample days, K decisions, S strategies."""

    dates: Dates
    """(D,) days on which returns were earned."""
    decided: Dates
    """(K,) days of decision; the shares hold from the next day of trading on."""
    members: tuple[Member, ...]
    """(S,)."""
    member_returns: Float
    """(D, S) of each strategy alone, after costs."""
    member_turnover: Float
    """(D, S) one-way."""
    decisions: tuple[MixResult, ...]
    """(K,) of the mix."""
    accounts: tuple[Account, ...]
    """The mix first."""
    best: int
    """Place of the strategy that is best in hindsight."""
    outcomes: tuple[AccountOutcome, ...]
    """One for each account, in their order."""
    n_effective: float
    """How many independent strategies the S correlated ones amount to."""
    n_computed: int
    n_reused: int
    seconds: float
    peak_driver: int
    """Bytes that the driving process held at most."""
    peak_workers: tuple[int, ...]
    """Bytes that each other process held at most; none where the driver did the work."""
    periods_per_year: int = TRADING_DAYS
    """Days in a year, from the calendar of the panel."""

    @property
    def years(self) -> float:
        """Length of the accounts."""
        return len(self.dates) / self.periods_per_year

    def account(self, name: str) -> Account:
        """The account of a name."""
        return next(account for account in self.accounts if account.name == name)

    def outcome(self, name: str) -> AccountOutcome:
        """The outcome of an account."""
        return next(outcome for outcome in self.outcomes if outcome.account == name)

    @property
    def digest(self) -> str:
        """Hash of all streams and shares: equal for equal numbers, wherever they were computed."""
        parts: list[str | np.ndarray] = [self.dates, self.decided, self.member_returns]
        for account in self.accounts:
            parts += [account.name, account.returns, account.turnover, account.shares]
        return digest(["\n".join(member.name for member in self.members), *parts])


def evaluate(
    accounts: Sequence[Account],
    member_returns: Float,
    *,
    resampling: Resampling | None = None,
    periods_per_year: int = TRADING_DAYS,
) -> tuple[AccountOutcome, ...]:
    """How each account did and what the first has over it, all on the same resampled days.

    Parameters
    ----------
    accounts : on the same days, the mix first.
    member_returns : (D, S) of the strategies, whose number and spread of Sharpe ratios set the hurdle, but for those
        that held nothing.

    Raises
    ------
    InputError
        The days differ, or there are fewer than two.
    """
    # Strategies that held nothing could not have been the best, and their zeros would make luck look smaller.
    year = periods_per_year
    ratios = [SharpeEstimate.of(series, periods_per_year=year).ratio for series in member_returns.T if varies(series)]
    variance = float(np.var(ratios, ddof=1)) if len(ratios) > 1 else 0.0
    found, mix = [], accounts[0]
    for account in accounts:
        held = bool(varies(account.returns))
        found.append(
            AccountOutcome(
                account=account.name,
                sharpe=sharpe_interval(account.returns, resampling=resampling, periods_per_year=year) if held else None,
                deflated=deflated_sharpe(
                    SharpeEstimate.of(account.returns, periods_per_year=year),
                    n_trials=max(len(ratios), 1),
                    variance=variance,
                )
                if held
                else None,
                mix_over=None
                if account is mix
                else sharpe_difference(mix.returns, account.returns, resampling=resampling, periods_per_year=year),
            )
        )
    return tuple(found)
