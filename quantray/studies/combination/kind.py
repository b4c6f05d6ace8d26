"""Combinations of strategies as a kind of study."""

from quantray.research.kind import Kind
from quantray.studies.combination.findings import find_combination
from quantray.studies.combination.settings import CombinationSettings
from quantray.studies.combination.sizing import COMBINATION_SIZING
from quantray.studies.combination.study import load_combination, run_combination

__all__ = ["COMBINATION"]

COMBINATION = Kind(
    name="combination",
    question="How should many strategies share capital?",
    settings=CombinationSettings,
    load=load_combination,
    run=run_combination,
    findings=find_combination,
    sizing=COMBINATION_SIZING,
    renamed={
        "costs_bps": "costs.half_spread_bps (and costs.commission_bps, 0.5 by default)",
        "execution_lag": "accounting.execution_lag",
        "warmup_days": "warm_up_days",
        "samples": "resampling.samples",
        "confidence": "resampling.confidence",
        "seed": "resampling.seed",
    },
)
