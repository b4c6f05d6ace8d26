"""Sweeps by regime as a kind of study."""

from quantray.research.kind import Kind
from quantray.studies.sweep.findings import find_sweep
from quantray.studies.sweep.settings import SweepSettings
from quantray.studies.sweep.sizing import SWEEP_SIZING
from quantray.studies.sweep.study import load_sweep, run_sweep

__all__ = ["SWEEP"]

SWEEP = Kind(
    name="sweep",
    question="Does knowing the regime help a strategy?",
    settings=SweepSettings,
    load=load_sweep,
    run=run_sweep,
    findings=find_sweep,
    sizing=SWEEP_SIZING,
    renamed={
        "costs_bps": "costs.half_spread_bps (and costs.commission_bps, 0.5 by default)",
        "execution_lag": "accounting.execution_lag",
        "folds.warmup_days": "folds.warm_up_days",
        "samples": "resampling.samples",
        "confidence": "resampling.confidence",
    },
)
