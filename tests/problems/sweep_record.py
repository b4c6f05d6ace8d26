"""A small record of a sweep, made up."""

import numpy as np

from quantray.analytics.bootstrap import Resampling
from quantray.analytics.selection import SharpeEstimate, backtest_overfitting, deflated_sharpe
from quantray.studies.sweep.record import ALL, POLICIES, ParameterChoice, Stability, Stream, SweepRecord, evaluate

DAYS = 400

SETS = ((("fast", 5), ("stop", None)), (("fast", 10), ("stop", 4.0)))


def record_of(gain=0.0, *, own=True, strategies=("One & two", "Other")):
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, -1], [200, 190, 10])
    streams = []
    for strategy in strategies:
        base = generator.normal(0.0003, 0.01, DAYS)
        extra = {"conditional": gain, "unconditional": 0.0, "default": -gain}
        for policy in POLICIES:
            returns = base + extra[policy] + generator.normal(0, 0.0005, DAYS)
            streams.append(Stream(strategy, policy, returns, np.full(DAYS, 0.1)))
    deflated = deflated_sharpe(SharpeEstimate(2.0, 300), n_trials=9, variance=0.2)
    choices = [
        ParameterChoice(
            s, fold, scope, SETS[fold], 2, 120, 60, 1.5, np.nan if fold else 0.4, deflated, own or scope == ALL
        )
        for s in strategies
        for fold in (0, 1)
        for scope in (ALL, "calm", "wild")
    ]
    tables = [
        Stability(s, scope, SETS, np.array([[1.0, np.nan], [0.5, 2.0]]), np.array([0, 1]))
        for s in strategies
        for scope in (ALL, "calm")
    ]
    return SweepRecord(
        dates=np.datetime64("2020-01-01") + np.arange(DAYS),
        regimes=("calm", "wild"),
        labels=labels,
        folds=("2020-01-01..2020-08-01", "2020-08-02..2021-02-03"),
        streams=tuple(streams),
        choices=tuple(choices),
        stability=tuple(tables),
        overfitting={(s, ALL): backtest_overfitting(generator.normal(size=(99, 4)), n_blocks=4) for s in strategies},
        outcomes=evaluate(streams, labels, ("calm", "wild"), resampling=Resampling(n_samples=200)),
        n_sets=4,
        n_computed=4,
        n_reused=0,
        seconds=1.0,
    )
