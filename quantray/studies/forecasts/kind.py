"""Forecasts as a kind of study."""

from quantray.research.kind import Kind
from quantray.studies.forecasts.findings import find_forecasts
from quantray.studies.forecasts.settings import ForecastSettings
from quantray.studies.forecasts.sizing import FORECAST_SIZING
from quantray.studies.forecasts.study import load_forecasts, run_forecasts
from quantray.studies.forecasts.tunable import tunable_forecaster

__all__ = ["FORECASTS"]

FORECASTS = Kind(
    name="forecasts",
    question="Which forecaster knows something?",
    settings=ForecastSettings,
    load=load_forecasts,
    run=run_forecasts,
    findings=find_forecasts,
    tunable=tunable_forecaster,
    sizing=FORECAST_SIZING,
    renamed={
        "folds.lag": "accounting.execution_lag",
        "confidence": "resampling.confidence",
    },
)
