"""Capacity as a kind of study."""

from quantray.research.kind import Kind
from quantray.studies.capacity.findings import find_capacity
from quantray.studies.capacity.settings import CapacitySettings
from quantray.studies.capacity.sizing import CAPACITY_SIZING
from quantray.studies.capacity.study import load_capacity, run_capacity

__all__ = ["CAPACITY"]

CAPACITY = Kind(
    name="capacity",
    question="How much money can an allocator manage?",
    settings=CapacitySettings,
    load=load_capacity,
    run=run_capacity,
    findings=find_capacity,
    sizing=CAPACITY_SIZING,
)
