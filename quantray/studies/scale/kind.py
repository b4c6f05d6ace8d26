"""Scale as a kind of study."""

from quantray.research.kind import Kind
from quantray.studies.scale.findings import find_scale
from quantray.studies.scale.settings import ScaleSettings
from quantray.studies.scale.sizing import SCALE_SIZING
from quantray.studies.scale.study import load_scale, run_scale

__all__ = ["SCALE"]

SCALE = Kind(
    name="scale",
    question="What do more names cost, and what do they bring?",
    settings=ScaleSettings,
    load=load_scale,
    run=run_scale,
    findings=find_scale,
    sizing=SCALE_SIZING,
    renamed={"folds.lag": "accounting.execution_lag", "confidence": "resampling.confidence"},
)
