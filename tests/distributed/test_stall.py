"""Studies on simulated workers, against what can be reckoned by hand."""

from dataclasses import replace

import numpy as np
import pytest
from _stall import Costs, Machines, Recorded, Step, simulate

FREE = Costs(key=0.0, task=0.0, unit=0.0, look=0.0, way=0.0, write=0.0, start=0.0)


def study(*steps, shared_bytes=0):
    return Recorded("s", tuple(Step(alone, tuple(units)) for alone, units in steps), shared_bytes)


def test_one_worker_does_everything_in_turn():
    costs = Costs(key=0.1, task=0.0, unit=0.0, look=0.0, way=0.2, write=0.3, start=4.0, slower=1.5)
    found = simulate(study((1.0, [2.0, 4.0]), (3.0, [2.0]), (5.0, [])), costs, Machines(workers=1))
    assert found.seconds == pytest.approx((1 + 3 + 5) + 3 * (0.1 + 0.2 + 0.3) + 4 + 1.5 * 8)
    assert found.worked == 8.0
    assert found.lost == pytest.approx(
        {"start": 4.0, "alone": 9.3, "driver": 0.0, "tail": 0.0, "way": 3 * 0.5 + 0.5 * 8}
    )


def test_the_last_units_keep_the_others_waiting():
    found = simulate(study((0.0, [1.0] * 8 + [3.0])), FREE, Machines(workers=4))
    assert (found.seconds, found.lost["tail"], found.stall) == (5.0, 4 * 5.0 - 11.0, "tail")
    better = simulate(study((0.0, [1.0] * 8 + [3.0])), FREE, Machines(workers=4), longest=True)
    assert better.seconds == 3.0


def test_who_hands_out_bounds_many_workers():
    costs = replace(FREE, task=0.002, unit=0.001)
    found = simulate(study((0.0, [1.0] * 5000)), costs, Machines(workers=1000), batched=False)
    # A thousand workers want a thousand units a second, and 333 can be handed out and taken in.
    assert found.seconds == pytest.approx(5000 * 0.003, rel=0.1)
    assert found.driver_seconds == pytest.approx(5000 * 0.003)
    assert found.stall == "driver"


def test_batches_spare_who_hands_out():
    costs = replace(FREE, task=0.002, unit=0.0001)
    units = study((0.0, [0.01] * 20_000))
    alone, together = (simulate(units, costs, Machines(workers=16), batched=way) for way in (False, True))
    assert alone.seconds == pytest.approx(40 + 2, rel=0.05)
    assert together.seconds == pytest.approx(200 / 16, rel=0.05)
    assert together.batches < 3000


def test_a_machine_that_has_the_data_gives_them_to_one_other_at_a_time():
    machines = Machines(workers=9, each=1, bandwidth=10.0)
    assert machines.arrivals(20) == [0, 2, 4, 4, 6, 6, 6, 6, 8]
    found = simulate(study((0.0, [100.0] * 9), shared_bytes=20), FREE, machines)
    assert (found.seconds, found.lost["start"]) == (108.0, 42.0)


@pytest.mark.parametrize("seed", range(12))
def test_all_time_of_workers_is_accounted_for(seed):
    rng = np.random.default_rng(seed)
    steps = [(rng.exponential(), rng.lognormal(-2, 1.5, int(rng.integers(0, 300))).tolist()) for _ in range(3)]
    costs = Costs(**dict(zip(Costs.__dataclass_fields__, [*rng.exponential(0.01, 7).tolist(), 1.2], strict=True)))
    for workers in (1, 3, 40):
        found = simulate(study(*steps, shared_bytes=10**8), costs, Machines(workers=workers, each=4))
        assert found.worked + sum(found.lost.values()) == pytest.approx(workers * found.seconds)
        assert found.worked == pytest.approx(sum(sum(units) for _, units in steps))
        assert min(found.lost.values()) >= 0
        assert found.seconds >= max(found.driver_seconds, found.worked / workers)
