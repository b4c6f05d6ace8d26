"""Plans on machines, by hand."""

from dataclasses import replace

import pytest

from quantray.research.fitting import Fleet, fit, gibibytes, required_gb
from quantray.research.planning import PlannedPart, StudyPlan

GIB = 2**30
PLAN = StudyPlan(
    name="s",
    kind="portfolios",
    parts=(PlannedPart("decisions", 100, 200.0, 200.0), PlannedPart("chain", 10, 10.0, 10.0, at_once=1)),
    driver_seconds=5.0,
    driver_cpu_seconds=5.0,
    shared_bytes=GIB,
    worker_bytes=2 * GIB,
    driver_bytes=3 * GIB,
    disk_bytes=GIB,
    calibration_seconds=1.0,
    miniatures=(0.1, 0.2),
)
HERE = Fleet(
    machines=1, cpus=4, memory_bytes=8 * GIB, cpus_per_task=1.0, on_ray=True, here=True, store_bytes=2 * GIB,
    disk_bytes=2 * GIB, start_seconds=8.0,
)  # fmt: skip
THERE = replace(HERE, machines=10, cpus=16, memory_bytes=64 * GIB, here=False, store_bytes=None, disk_bytes=None)


def test_memory_and_time_by_hand():
    found = fit(PLAN, HERE)
    # Four workers with a GiB each of their own, what they share once, and the process that leads.
    assert (found.workers, found.machine_bytes, found.total_bytes) == (4, 8 * GIB, 8 * GIB)
    # 200 s on four, 10 s one after the other, 5 s before and after, and Ray's start.
    assert found.seconds == pytest.approx(50 + 10 + 5 + 8)
    assert found.refusals == ()
    alone = fit(PLAN, replace(HERE, on_ray=False))
    assert (alone.workers, alone.machine_bytes, alone.seconds) == (1, 3 * GIB, 215.0)
    there = fit(PLAN, THERE)
    assert (there.workers, there.machine_bytes) == (160, (16 + 1 + 3) * GIB)
    assert there.total_bytes == (20 + 9 * 17) * GIB
    # A unit is 2 s, however many machines there are.
    assert there.seconds == pytest.approx(2 + 10 + 5 + 8)


def test_units_that_travel_together_share_their_journey():
    # Units of 2 s travel alone, ten by ten where 20 s travel together; those of 1 s follow each other as before.
    alone = fit(PLAN, replace(HERE, unit_seconds=4.0, batch_seconds=1.0))
    assert alone.seconds == pytest.approx((2 + 4) * 25 + (1 + 4) * 10 + 5 + 8)
    together = fit(PLAN, replace(HERE, unit_seconds=4.0, batch_seconds=20.0))
    assert together.seconds == pytest.approx((2 + 0.4) * 25 + (1 + 0.2) * 10 + 5 + 8)


@pytest.mark.parametrize(
    ("fleet", "setting", "change"),
    [
        (replace(HERE, memory_bytes=7 * GIB), "cluster.cpus=3", {"cpus": 3}),
        (replace(HERE, memory_bytes=7 * GIB, cpus_per_task=2.0, cpus=8), "cluster.cpus=6", {"cpus": 6}),
        (replace(THERE, memory_bytes=12 * GIB), "cluster.cpus_per_task=2, so that 8 run", {"cpus_per_task": 2.0}),
        (replace(HERE, store_bytes=GIB), "cluster.object_store_mb=1229", {"store_bytes": 1229 * 2**20}),
        (replace(HERE, disk_bytes=GIB // 2), "set runs= to a folder with 1.2 GiB", {"disk_bytes": int(1.2 * GIB)}),
    ],
)
def test_what_does_not_fit_is_refused_with_a_setting_that_helps(fleet, setting, change):
    (refusal,) = fit(PLAN, fleet).refusals
    assert setting in refusal
    assert fit(PLAN, replace(fleet, **change)).refusals == ()


def test_a_machine_too_small_for_one_worker_needs_another_machine():
    (refusal,) = fit(PLAN, replace(HERE, memory_bytes=4 * GIB)).refusals
    assert "4 at a time need 8.0 GiB of 4.0 GiB free; take a machine with 6.0 GiB" in refusal


def test_the_formula_of_the_requirement():
    assert required_gb(1e9) == 104
    assert required_gb(10e9) == 176
    assert [gibibytes(n) for n in (3 * 2**20, 5 * GIB)] == ["3 MiB", "5.0 GiB"]
