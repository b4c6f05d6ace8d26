"""Five phases of optimisation as a kind of study."""

from quantray.research.kind import Kind
from quantray.studies.institutional.findings import find_institutional
from quantray.studies.institutional.settings import InstitutionalSettings
from quantray.studies.institutional.sizing import INSTITUTIONAL_SIZING
from quantray.studies.institutional.study import load_institutional, run_institutional

__all__ = ["INSTITUTIONAL"]

INSTITUTIONAL = Kind(
    name="institutional",
    question="What is each of five phases of optimisation worth?",
    settings=InstitutionalSettings,
    load=load_institutional,
    run=run_institutional,
    findings=find_institutional,
    sizing=INSTITUTIONAL_SIZING,
)
