"""Regimes as a kind of study."""

from quantray.research.kind import Kind
from quantray.studies.regimes.findings import find_regimes
from quantray.studies.regimes.settings import RegimesSettings
from quantray.studies.regimes.sizing import REGIMES_SIZING
from quantray.studies.regimes.study import load_regimes, run_regimes

__all__ = ["REGIMES"]

REGIMES = Kind(
    name="regimes",
    question="Which market are we in, and how far is that to be believed?",
    settings=RegimesSettings,
    load=load_regimes,
    run=run_regimes,
    findings=find_regimes,
    sizing=REGIMES_SIZING,
)
