"""Many strategies in one portfolio: play all once, then share capital among them date after date from what is past.

Shares decided at the close of t know the strategies' returns up to t, and hold from the close ``lag`` days later, when
the strategies' own decisions of t are traded too. Until the next rebalance each strategy is an account of its own:
its capital grows with what it earns, so shares drift; what is not shared out is cash and earns nothing.

Strategies pay for their own trades in full. Moving capital between them is charged on the trades of the one book that
they make together, in which a sale by one strategy meets the purchase of another. Options move without charge.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from quantray.analytics.metrics import sharpe_ratio
from quantray.analytics.selection import independent_trials
from quantray.arrays import Dates, Float, Int
from quantray.backtest.costs import trading_costs
from quantray.backtest.drift import drifted
from quantray.backtest.net import NetReturns
from quantray.backtest.positions import Positions
from quantray.data.calendar import rebalance_dates
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError
from quantray.portfolio.strategy_mix import MixResult, strategy_mix
from quantray.research.executor import Executor
from quantray.research.kind import Source
from quantray.research.market import read_market
from quantray.research.metering import Metered, peak_bytes
from quantray.research.results import ResultStore
from quantray.studies.combination.design import MixDesign
from quantray.studies.combination.record import BEST, EQUAL, MIX, Account, CombinationRecord, Member, Netting, evaluate
from quantray.studies.combination.settings import CombinationSettings
from quantray.studies.evaluation.door import try_strategies
from quantray.studies.evaluation.ensemble_family import EnsembleFamily
from quantray.studies.evaluation.evaluations import Chosen, Evaluations, SweepData
from quantray.studies.evaluation.families import FIELDS, Family, TradingTerms

__all__ = [
    "CombinationSource",
    "Played",
    "allocate",
    "combine",
    "decision_rows",
    "hold_shares",
    "load_combination",
    "run_combination",
]

CombinationSource = Source[CombinationSettings, None]


def load_combination(settings: CombinationSettings) -> CombinationSource:
    """The panel of a combination.

    Raises
    ------
    DataError, InputError
        As ``MarketStore.load``, ``CombinationSettings.members`` and ``door.try_strategies``, or there are too few days
        for a rebalance.
    """
    settings.members()
    settings, data = read_market(settings, FIELDS)
    try_strategies([choice.entry for choice in settings.strategies], data.panel, threads=settings.threads)
    decision_rows(data.panel.dates, settings.design())
    return Source(settings, data, None)


def run_combination(source: CombinationSource, executor: Executor) -> CombinationRecord:
    """Run the combination that settings describe; raises as ``combine``."""
    settings = source.settings
    return combine(
        source.panel,
        settings.members(),
        settings.families(),
        executor,
        settings.results,
        design=settings.design(),
        ensemble=EnsembleFamily(source.data.sectors, lenses=settings.lenses) if settings.ensemble else None,
    )


@dataclass(frozen=True, eq=False)
class Played:
    """What C strategies earned, traded and held through T days of N assets."""

    returns: Float
    """(T, C) after their own costs."""
    turnover: Float
    """(T, C) one-way."""
    costs: Float
    """(T, C) fraction of their NAV that they paid, which the returns are net of."""
    positions: tuple[Positions, ...]
    """(C,) around the days of decision."""
    n_assets: int
    costs_bps: float | Float
    """Basis points of the money traded that moving capital pays; one number, or (T, N) by the day of the trade."""

    @property
    def since_first_trade(self) -> Float:
        """(T, C) the returns, NaN before a strategy first held anything."""
        begun = np.maximum.accumulate((self.returns != 0) | (self.turnover != 0), axis=0)
        return np.where(begun, self.returns, np.nan)

    def around(self, day: int, which: Int) -> tuple[Float, Float]:
        """(A, N) positions of some strategies before and after their decision of a day of rebalancing is traded."""
        held = [self.positions[i].at(day, self.n_assets) for i in which.tolist()]
        empty = np.zeros((0, self.n_assets))
        return np.array([h.before for h in held] or empty), np.array([h.after for h in held] or empty)


def combine(
    panel: Panel,
    members: Sequence[Member],
    families: Sequence[Family],
    executor: Executor,
    results: ResultStore,
    *,
    design: MixDesign | None = None,
    ensemble: EnsembleFamily | None = None,
) -> CombinationRecord:
    """Play all strategies in parallel, share capital among them walking forward, and compare.

    The same call again computes only what is not there yet, and any executor gives the same digest.

    Parameters
    ----------
    panel : with ``close`` and what the strategies need.
    members : S strategies, two at least; each one's entry is the name of a family.
    families : that the strategies belong to.
    ensemble : compared as one more portfolio; it receives no capital from the mix.

    Raises
    ------
    InputError
        Strategies repeat, name no family, or there are too few days for a rebalance.
    DataError
        No strategy has a history at some rebalance, or the panel lacks a field.
    SolverError
        Risk parity has no solution at some rebalance.
    """
    start, periods, design = time.monotonic(), panel.periods_per_year, design or MixDesign()
    names, rows = _checked_names(members, families), decision_rows(panel.dates, design)
    every = tuple(families) + ((ensemble,) if ensemble else ())
    data = SweepData(panel, panel.fingerprint(), every, design.terms, results, tuple(rows.tolist()))
    evaluations = Evaluations(data, metered := Metered(executor), batch=design.batch)
    played = _play(evaluations, members, ensemble, panel, design.terms)
    first = int(rows[0]) + design.terms.lag + 1
    own = played.returns[first:, : len(members)]
    ratios = [sharpe_ratio(series, periods_per_year=periods) for series in own.T]
    best = int(np.argmax(np.nan_to_num(ratios)))
    singles = {BEST: best} | ({ensemble.name: len(members)} if ensemble else {})
    decisions, paths = _shared_out(played, rows, panel.dates, names, singles, design)
    accounts = tuple(hold_shares(name, shares, rows, played, lag=design.terms.lag) for name, shares in paths.items())
    return CombinationRecord(
        dates=panel.dates[first:],
        decided=panel.dates[rows],
        members=tuple(members),
        member_returns=own,
        member_turnover=played.turnover[first:, : len(members)],
        decisions=decisions,
        accounts=accounts,
        best=best,
        outcomes=evaluate(accounts, own, resampling=design.resampling, periods_per_year=periods),
        n_effective=independent_trials(own),
        n_computed=evaluations.n_computed,
        n_reused=evaluations.n_reused,
        seconds=time.monotonic() - start,
        peak_driver=peak_bytes(),
        peak_workers=tuple(metered.workers.values()),
        periods_per_year=periods,
    )


def decision_rows(dates: Dates, design: MixDesign) -> Int:
    """(K,) rows of the days on which capital is shared: ends of periods with a full look-back that can still be traded.

    Raises
    ------
    InputError
        There is none.
    """
    rows = np.searchsorted(dates, rebalance_dates(dates, design.rebalance, exchange=design.exchange))
    first, last = design.warm_up_days + design.lookback_days - 1, len(dates) - design.terms.lag - 2
    rows = rows[(rows >= max(first, 1)) & (rows <= last)]
    if not len(rows):
        raise InputError(
            f"{len(dates)} days hold no {design.rebalance} rebalance after {design.warm_up_days} days of warm-up and "
            f"{design.lookback_days} of look-back; load more days, or lower warm_up_days or lookback_days."
        )
    return np.asarray(rows, dtype=np.int64)


def allocate(
    returns_ts: Float, rows: Int, dates: Dates, names: Sequence[str], design: MixDesign
) -> tuple[MixResult, ...]:
    """The shares decided on each day from the look-back that ends with it.

    Parameters
    ----------
    returns_ts : (T, S) simple returns; NaN where a strategy has not begun.
    rows : (K,) days of decision.

    Raises
    ------
    InputError, SolverError
        As ``strategy_mix``.
    DataError
        No strategy has enough days and variance; the day is named.
    """
    found = []
    for row in rows.tolist():
        window = returns_ts[max(row + 1 - design.lookback_days, 0) : row + 1]
        try:
            mixed = strategy_mix(
                window,
                design.method,
                names=names,
                max_correlation=design.max_correlation,
                drawdown=design.drawdown,
                min_days=design.min_days,
            )
        except DataError as error:
            raise DataError(f"on {dates[row]} {error} Raise warm_up_days, or lower min_days.") from error
        found.append(mixed)
    return tuple(found)


def hold_shares(name: str, shares_kc: Float, rows: Int, played: Played, *, lag: int = 1) -> Account:
    """What capital on strategies earns from the first rebalance on.

    Parameters
    ----------
    shares_kc : (K, C) of NAV decided on each day; not negative, sums of at most 1.
    rows : (K,) days of decision, rising, around which the strategies' positions are known.
    lag : trading days from a decision to its trades.

    Raises
    ------
    InputError
        Shares do not fit, are negative or sum to more than 1.
    """
    if shares_kc.shape != (len(rows), played.returns.shape[1]):
        raise InputError(f"shares are {shares_kc.shape} for {len(rows)} days and {played.returns.shape[1]} strategies.")
    if not ((shares_kc >= 0).all() and (shares_kc.sum(axis=1) <= 1 + 1e-9).all()):
        raise InputError("shares must not be negative nor sum to more than 1; what is left is cash.")
    first = lag + 1
    ends = np.append(rows[1:] + first, len(played.returns))
    held = np.zeros(shares_kc.shape[1])
    returns, turnover, costs, measures = [], [], [], []
    for decided, row, end in zip(shares_kc, rows.tolist(), ends.tolist(), strict=True):
        measured = _netted(held, decided, row, played, lag)
        measures.append(measured)
        days = slice(row + first, end)
        growth = np.asarray(np.cumprod(1 + played.returns[days], axis=0), dtype=np.float64)
        nav = (decided * growth).sum(axis=1) + 1 - decided.sum()
        earned = nav / np.concatenate([[1.0], nav[:-1]])
        # All pay for the move in proportion: the shares are of what it leaves.
        earned[0] *= 1 - measured["moving_cost_net"]
        returns.append(earned - 1)
        share = drifted(decided, growth, nav)
        before = np.vstack([decided, share[:-1]])
        turnover.append((before * played.turnover[days]).sum(axis=1))
        turnover[-1][0] += 0.5 * measured["moved_net"]
        costs.append((before * played.costs[days]).sum(axis=1))
        costs[-1][0] += measured["moving_cost_net"]
        held = share[-1]
    netting = Netting(**{measure: np.array([each[measure] for each in measures]) for measure in measures[0]})
    return Account(
        name=name,
        returns=np.concatenate(returns),
        turnover=np.concatenate(turnover),
        costs=np.concatenate(costs),
        shares=shares_kc,
        netting=netting,
    )


def _netted(held: Float, decided: Float, row: int, played: Played, lag: int) -> dict[str, float]:
    """The measures of ``Netting`` for one rebalance."""
    which = np.flatnonzero((held != 0) | (decided != 0))
    before, after = played.around(row, which)
    decided, moved = decided[which], decided[which] - held[which]
    alone, netted = np.abs(moved) @ np.abs(before), np.abs(moved @ before)
    costs_bps = played.costs_bps if np.ndim(played.costs_bps) == 0 else np.asarray(played.costs_bps)[row + lag]
    trades, book = after - before, decided @ after
    squares = float(book @ book)
    exposure = float(np.abs(book).sum())
    return {
        "exposure_gross": float(decided @ np.abs(after).sum(axis=1)),
        "exposure_net": exposure,
        "moved_gross": float(alone.sum()),
        "moved_net": float(netted.sum()),
        "moving_cost_gross": float(trading_costs(alone, costs_bps)),
        "moving_cost_net": float(trading_costs(netted, costs_bps)),
        "traded_gross": float(decided @ np.abs(trades).sum(axis=1)),
        "traded_net": float(np.abs(decided @ trades).sum()),
        "effective_names": exposure**2 / squares if squares > 0 else np.nan,
    }


def _play(
    evaluations: Evaluations,
    members: Sequence[Member],
    ensemble: EnsembleFamily | None,
    panel: Panel,
    terms: TradingTerms,
) -> Played:
    """Returns, turnover, costs and positions of all, the ensemble's last, computed where they are not there yet."""
    chosen: list[Chosen] = [(member.entry, member.parameters) for member in members]
    chosen += [(ensemble.name, ensemble.default)] if ensemble else []
    # The ensemble takes longest: begun first, it keeps nobody waiting at the end.
    evaluations.need(reversed(chosen))
    kept = [evaluations.kept(one) for one in chosen]
    nets: list[NetReturns] = [net for net, _ in kept]
    return Played(
        returns=np.stack([net.returns for net in nets], axis=1),
        turnover=np.stack([net.turnover for net in nets], axis=1),
        costs=np.stack([net.costs for net in nets], axis=1),
        positions=tuple(positions for _, positions in kept),
        n_assets=panel.shape[1],
        costs_bps=terms.costs.bps(panel.fields),
    )


def _shared_out(
    played: Played, rows: Int, dates: Dates, names: Sequence[str], singles: Mapping[str, int], design: MixDesign
) -> tuple[tuple[MixResult, ...], dict[str, Float]]:
    """The mix's decisions, and name -> (K, C) shares of each portfolio; ``singles`` hold the strategy at one place."""
    n_all = played.returns.shape[1]
    known = played.since_first_trade[:, : len(names)]
    plain = replace(design, method="equal", max_correlation=1.0, drawdown=None)
    decided = {MIX: design, EQUAL: plain}
    found = {name: allocate(known, rows, dates, names, way) for name, way in decided.items()}
    paths = {name: np.stack([decision.weights for decision in each]) for name, each in found.items()}
    padded = {name: np.pad(shares, ((0, 0), (0, n_all - len(names)))) for name, shares in paths.items()}
    return found[MIX], padded | {name: np.tile(np.eye(n_all)[i], (len(rows), 1)) for name, i in singles.items()}


def _checked_names(members: Sequence[Member], families: Sequence[Family]) -> list[str]:
    names, known = [member.name for member in members], {family.name for family in families}
    if len(names) < 2 or len(set(names)) < len(names):
        raise InputError(f"{len(names)} strategies with {len(set(names))} names; give two or more, each once.")
    strange = [member.name for member in members if member.entry not in known]
    if strange:
        raise InputError(f"{', '.join(strange[:3])} belong to none of {', '.join(sorted(known))}.")
    return names
