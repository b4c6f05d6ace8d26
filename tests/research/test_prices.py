"""What a plan costs, by hand."""

from dataclasses import replace
from pathlib import Path

import pytest

from quantray.errors import InputError
from quantray.research.fitting import Fleet
from quantray.research.planning import PlannedPart, StudyPlan
from quantray.research.prices import Prices, cost_table
from quantray.settings import checked, read_settings

GIB = 2**30
PLAN = StudyPlan(
    name="s",
    kind="portfolios",
    parts=(PlannedPart("decisions", 160, 16 * 3600.0, 16 * 3600.0),),
    driver_seconds=0.0,
    driver_cpu_seconds=0.0,
    shared_bytes=GIB,
    worker_bytes=2 * GIB,
    driver_bytes=3 * GIB,
    disk_bytes=GIB,
    calibration_seconds=1.0,
    miniatures=(0.1, 0.2),
)
FLEET = Fleet(machines=1, cpus=2, memory_bytes=GIB, cpus_per_task=1.0, on_ray=False, here=True)
LISTED = {
    "currency": "EUR",
    "as_of": "2026-01-02",
    "instances": [
        {"name": "wide", "vcpus": 16, "memory_gib": 64, "on_demand": 2.0, "spot": 0.5},
        {"name": "thin", "vcpus": 16, "memory_gib": 8, "on_demand": 1.0},
        {"name": "tiny", "vcpus": 2, "memory_gib": 2, "on_demand": 0.1},
    ],
}


def test_costs_by_hand():
    wide, two, thin, _, tiny, _ = cost_table(PLAN, checked(Prices, LISTED, "x"), FLEET, machines=(1, 2))
    # Sixteen hours of work on sixteen threads: one hour.
    assert (wide.workers, wide.hours, wide.on_demand, wide.spot) == (16, pytest.approx(1), pytest.approx(2), 0.5)
    # Twice the machines for half of the time cost the same.
    assert (two.machines, two.workers, two.hours, two.on_demand) == (2, 32, pytest.approx(0.5), pytest.approx(2))
    # 8 GiB hold what leads, what is shared and four workers: four hours.
    assert (thin.workers, thin.hours, thin.on_demand, thin.spot) == (4, pytest.approx(4), pytest.approx(4), None)
    assert (tiny.workers, tiny.on_demand) == (0, None)


def test_units_that_take_more_cpus_are_fewer_at_a_time():
    wide = cost_table(PLAN, checked(Prices, LISTED, "x"), replace(FLEET, cpus_per_task=4.0))[0]
    assert (wide.workers, wide.hours) == (4, pytest.approx(4))


def test_prices_are_read_and_wrong_ones_named():
    example = Path(__file__).parents[2] / "clusters" / "prices.yaml"
    assert [each.name for each in read_settings(Prices, example).instances] == ["small", "medium", "large"]
    twice = LISTED | {"instances": LISTED["instances"][:1] * 2}
    with pytest.raises(InputError, match="names of instances repeat: wide, wide"):
        checked(Prices, twice, "prices.yaml")
