"""Rows of a report of forecasts, made by hand."""

import numpy as np

from quantray.analytics.bootstrap import Estimate, Interval
from quantray.studies.forecasts.report import ForecastRow

DAYS = 40


def found(mean, width=0.01):
    return Estimate(mean, width / 2, Interval(mean - width, mean + width, 0.95), 0.5, DAYS)


def row_of(name="GAT", *, control=False, told=True, seeds=(0.01, 0.03), **gains):
    rng = np.random.default_rng(1)
    return ForecastRow(
        name=name,
        is_control=control,
        ic=found(0.0234 if told else 0.0),
        rank_ic=found(0.0345) if told else None,
        icir=0.456 if told else None,
        positive_days=0.567 if told else None,
        seed_ic=np.array(seeds),
        epochs=4.5 if told else np.nan,
        daily=rng.normal(size=DAYS),
        deciles=np.linspace(-0.001, 0.002, 10) if told else None,
        differences={control: found(mean) for control, mean in gains.items()},
    )
