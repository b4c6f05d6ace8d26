"""``Auto`` goes over to Ray when that pays, says why, and keeps every promise of ``Serial`` whatever it chooses."""

import numpy as np
import pytest

from quantray.distributed.auto import Auto, RayCosts, on_ray
from quantray.distributed.cluster import connect
from quantray.errors import DataError
from quantray.research.executor import Serial
from quantray.research.market import SimulatedData
from quantray.research.metering import Metered
from quantray.research.terms import ClusterSettings
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PortfolioSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios

PLAIN = RayCosts(start_seconds=8.0, unit_seconds=0.0, driver_seconds=0.0, slower=1.0)
ELAPSED = [0.0]
"""Seconds on the clock of these tests, which units move and nothing else."""


def timed(shared, item):
    number, seconds = item
    ELAPSED[0] += seconds
    if seconds < 0:
        raise DataError(f"unit {number} is bad.")
    return shared["base"] * number


class Noting(Serial):
    """Works here, and notes what it was given."""

    def __init__(self):
        super().__init__()
        self.numbers, self.stored, self.closed = [], 0, False

    def put(self, value):
        self.stored += 1
        return super().put(value)

    def map(self, fn, items, *, shared):
        for item in items:
            self.numbers.append(item[0])
            yield from super().map(fn, [item], shared=shared)

    def close(self):
        self.closed = True


class Bench:
    """An ``Auto`` on the clock of these tests, and what it did where."""

    def __init__(self, **arguments):
        self.here, self.there, self.starts = Noting(), Noting(), 0
        self.auto = Auto(
            self.here, self._start, **({"workers": 2, "costs": PLAIN, "now": lambda: ELAPSED[0]} | arguments)
        )

    def _start(self):
        self.starts += 1
        return self.there

    def run(self, seconds, *, shared=None):
        """Units of so many seconds each."""
        shared = {"base": np.ones(2)} if shared is None else shared
        return [values[0] for values in self.auto.map(timed, list(enumerate(seconds)), shared=shared)]


def test_short_work_stays_in_this_process(capsys):
    bench = Bench()
    assert bench.run([0.04] * 14) == list(range(14))
    assert (bench.starts, bench.here.numbers) == (0, list(range(14)))
    assert capsys.readouterr().err == "in this process: 14 units of 40 ms, 0.6 s, less than Ray's start\n"


def test_long_work_goes_over_in_the_middle_and_nothing_is_done_twice(capsys):
    bench = Bench()
    assert bench.run([0.6] * 300) == list(range(300))
    assert (bench.starts, bench.here.numbers, bench.there.numbers) == (1, [0, 1], list(range(2, 300)))
    assert capsys.readouterr().err == (
        "on Ray: 298 units of 0.6 s left, 179 s in this process, about 97 s with 2 workers\n"
    )


def test_a_first_unit_that_loads_libraries_says_nothing_of_the_next():
    bench = Bench()
    bench.run([2.5] + [0.01] * 300)
    assert bench.starts == 0


def test_a_first_unit_of_many_seconds_is_enough():
    bench = Bench()
    bench.run([20.0] * 20)
    assert bench.here.numbers == [0]


def test_a_few_quick_units_do_not_decide_for_many():
    """Two units of a millisecond; those after them are long, and Ray has them once a second was looked at."""
    bench = Bench()
    bench.run([0.001, 0.001] + [0.9] * 200)
    assert bench.here.numbers == [0, 1, 2, 3]


def test_with_one_worker_ray_never_pays(capsys):
    bench = Bench(workers=1)
    bench.run([1.0] * 100)
    assert bench.starts == 0
    assert capsys.readouterr().err == "in this process: 100 units of 1.0 s, 100 s, and Ray would have a single worker\n"


def test_long_work_that_ray_would_not_shorten_says_what_ray_would_take(capsys):
    bench = Bench(costs=RayCosts(start_seconds=8.0, unit_seconds=1.0, driver_seconds=0.0, slower=1.0))
    bench.run([0.6] * 50)
    assert capsys.readouterr().err == "in this process: 50 units of 0.6 s, 30 s, about 48 s on Ray with 2 workers\n"


def test_maps_that_are_short_each_pay_together(capsys):
    """Four seconds a map, two of which Ray would save: worth eight seconds of start in the middle of the fifth map."""
    bench = Bench()
    for _ in range(4):
        bench.run([1.0] * 4)
    assert bench.starts == 0
    assert bench.run([1.0] * 4) == [0, 1, 2, 3]
    assert (bench.starts, bench.there.numbers) == (1, [2, 3])
    bench.run([1.0] * 4)
    assert (bench.starts, bench.there.numbers) == (1, [2, 3, 0, 1, 2, 3])
    assert capsys.readouterr().err.splitlines() == [
        "in this process: 4 units of 1.0 s, 4.0 s, less than Ray's start",
        "on Ray: 2 units of 1.0 s left and 16 s of work expected after them, 18 s in this process, about 17 s with 2 "
        "workers",
    ]


def test_maps_of_one_unit_gain_nothing():
    bench = Bench(workers=64)
    for _ in range(50):
        bench.run([10.0])
    assert bench.starts == 0


def test_of_an_unknown_number_as_many_are_expected_as_came(capsys):
    bench = Bench()
    found = bench.auto.map(timed, ((number, 1.0) for number in range(60)), shared={"base": np.ones(1)})
    assert [values[0] for values in found] == list(range(60))
    # 17 units to come take 17 s here, and 8 + 9 there; with one more Ray wins.
    assert bench.here.numbers == list(range(18))
    assert "on Ray: 18 units of 1.0 s left" in capsys.readouterr().err


def test_the_number_is_known_through_a_meter():
    bench = Bench()
    metered = Metered(bench.auto)
    found = list(metered.map(timed, [(number, 2.0) for number in range(40)], shared={"base": np.ones(1)}))
    assert [values[0] for values in found] == list(range(40))
    assert bench.here.numbers == [0, 1]


def test_what_must_be_on_ray_begins_there_and_only_if_there_is_work(capsys):
    bench = Bench(at_once="a unit takes 0.5 GPU")
    assert bench.run([]) == []
    assert bench.starts == 0
    assert bench.run([0.1]) == [0]
    assert (bench.starts, bench.here.numbers) == (1, [])
    assert capsys.readouterr().err == "on Ray: a unit takes 0.5 GPU\n"


def test_a_stored_value_goes_to_ray_once():
    bench = Bench()
    stored = bench.auto.put({"base": np.ones(2)})
    for _ in range(2):
        assert bench.run([5.0] * 10, shared=stored) == list(range(10))
    assert (bench.here.stored, bench.there.stored) == (1, 1)


def test_an_error_arrives_where_its_result_would():
    for seconds in ([0.1, -1.0, 0.1], [20.0] * 5 + [-1.0, 1.0]):
        bench = Bench()
        results = bench.auto.map(timed, list(enumerate(seconds)), shared={"base": np.ones(1)})
        bad = seconds.index(-1.0)
        assert [next(results)[0] for _ in range(bad)] == list(range(bad))
        with pytest.raises(DataError, match=rf"^unit {bad} is bad\.$"):
            next(results)
        assert bench.starts == (bad == 5)


def test_a_start_that_fails_is_no_silent_change():
    def refuse():
        raise DataError("no Ray here.")

    bench = Bench()
    bench.auto = Auto(bench.here, refuse, workers=2, costs=PLAIN, now=lambda: ELAPSED[0])
    with pytest.raises(DataError, match="no Ray here"):
        bench.run([20.0] * 20)


def test_closing_closes_what_was_opened():
    idle, busy = Bench(), Bench(at_once="for a test")
    busy.run([0.1])
    idle.auto.close()
    busy.auto.close()
    assert [idle.here.closed, idle.there.closed, busy.here.closed, busy.there.closed] == [True, False, True, True]


def test_work_for_ray_alone_takes_it_there(capsys):
    bench, serial = Bench(), Serial()
    assert on_ray(bench.auto, "a search needs it") is on_ray(bench.auto, "and again") is bench.there
    assert on_ray(serial, "a search needs it") is serial
    assert bench.run([0.1] * 3) == [0, 1, 2]
    assert (bench.starts, bench.here.numbers) == (1, [])
    assert capsys.readouterr().err == "on Ray: a search needs it\n"


@pytest.mark.parametrize("seed", range(20))
def test_values_and_order_are_those_of_one_process_whatever_is_chosen(seed):
    rng = np.random.default_rng(seed)
    bench = Bench(workers=int(rng.integers(1, 9)), costs=RayCosts(start_seconds=rng.uniform(0, 10)))
    shared = {"base": rng.normal(size=3)}
    for _ in range(int(rng.integers(1, 6))):
        items = list(enumerate(rng.lognormal(-1, 2, size=int(rng.integers(0, 30)))))
        found = list(bench.auto.map(timed, items, shared=shared))
        expected = list(Serial().map(timed, items, shared=shared))
        assert [values.tobytes() for values in found] == [values.tobytes() for values in expected]
        assert not any(values.flags.writeable for values in found)


@pytest.mark.parametrize(
    ("unit", "units", "serial", "ray"),
    [(0.044, 40, 1.77, 1.21), (0.583, 12, 7.00, 3.86)],
)
def test_the_costs_are_those_of_the_benchmark(unit, units, serial, ray):
    """Seconds of one process and of two workers, as in ``docs/benchmarks.md``."""
    assert units * unit == pytest.approx(serial, rel=0.05)
    assert RayCosts().work(units, unit, 2) == pytest.approx(ray, rel=0.15)


def test_units_of_milliseconds_pay_together_and_the_driver_bounds_many_workers():
    costs = RayCosts()
    assert costs.work(10**6, 0.006, 2) == pytest.approx(10**6 * 0.006 / 2 * 1.1, rel=0.1)
    assert costs.work(10**6, 0.006, 1000) == pytest.approx(10**6 * costs.driver_unit_seconds, rel=0.05)


STUDY = PortfolioSettings(
    name="same",
    data=SimulatedData(n_assets=40, n_days=420, seed=5),
    allocators=(
        AllocatorSettings(name="HRP", rule="hrp", estimator="ledoit_wolf"),
        AllocatorSettings(name="Inverse", rule="inverse_volatility", estimator="ewma"),
    ),
    benchmark="Inverse",
    folds=FoldSettings(lookback_days=252, test_days=21),
)


@pytest.mark.ray
def test_a_study_that_goes_over_in_the_middle_gives_the_same_digest(ray_cluster, tmp_path):
    from quantray.distributed.executor import OnRay

    def ticking():
        ELAPSED[0] += 10.0
        return ELAPSED[0]

    source = load_portfolios(STUDY.model_copy(update={"runs": str(tmp_path / "auto")}))
    auto = Auto(Serial(), OnRay, workers=2, now=ticking)
    result = run_portfolios(source, auto)
    assert auto.move("it has gone already") is auto.move("it has gone already")
    assert isinstance(auto.move("it has gone already"), OnRay)
    serial = run_portfolios(load_portfolios(STUDY.model_copy(update={"runs": str(tmp_path / "serial")})), Serial())
    assert result.digest == serial.digest


@pytest.mark.ray
def test_a_ray_that_is_connected_is_used_at_once(ray_cluster, capsys):
    from quantray.distributed.executor import OnRay

    with connect(ClusterSettings(kind="auto")) as executor:
        assert isinstance(executor, OnRay)
        assert list(executor.map(timed, [(3, 0.0)], shared={"base": 2.0})) == [6.0]
    assert "on the Ray that this process is connected to" in capsys.readouterr().err


IN_A_FRESH_PROCESS = """
import sys
from threadpoolctl import threadpool_info
import numpy

from quantray.distributed.cluster import connect
from quantray.research.terms import ClusterSettings


def threads(shared, item):
    return {pool["num_threads"] for pool in threadpool_info()}


with connect(ClusterSettings(cpus_per_task=1.5)) as executor:
    print(list(executor.map(threads, [1, 2], shared=None)), "ray" in sys.modules)
"""


def test_ray_is_not_even_imported_for_short_work(user):
    done = user.run("python", "-c", IN_A_FRESH_PROCESS)
    assert done.stdout == "[{1}, {1}] False\n", done.stderr
    assert done.stderr.startswith("in this process: 2 units of ")
