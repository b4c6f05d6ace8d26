"""``OnRay`` keeps every promise of ``Serial``."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from quantray.distributed.cluster import connect
from quantray.errors import ClusterError, DataError, InputError
from quantray.research.executor import Serial
from quantray.research.market import SimulatedData
from quantray.research.terms import ClusterSettings
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PortfolioSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios

pytestmark = pytest.mark.ray


@pytest.fixture
def on_ray(ray_cluster):
    from quantray.distributed.executor import OnRay

    return OnRay()


def scaled(shared, item):
    return shared["values"] * item


def mutating(shared, item):
    shared["values"][0] = item


def failing(shared, item):
    if item == 2:
        raise DataError("item 2 is bad.")
    return item


def wrong(shared, item):
    raise ValueError(f"no {item}")


def marking(shared, item):
    Path(shared, str(item)).touch()
    return item


def dying(shared, item):
    """End the worker at the first try of item 1; the second finds the mark that the first one left."""
    mark = Path(shared, f"{item}-tried")
    if item == 1 and not mark.exists():
        mark.touch()
        os._exit(1)
    return item * 10


def always_dying(shared, item):
    os._exit(1)


def threads(shared, item):
    from threadpoolctl import threadpool_info

    return max(pool["num_threads"] for pool in threadpool_info())


def test_results_come_in_order(on_ray):
    values = {"values": np.arange(3.0)}
    items = [float(i) for i in range(40)]
    ours = list(on_ray.map(scaled, items, shared=values))
    for mine, serial in zip(ours, Serial().map(scaled, items, shared=values), strict=True):
        assert mine.tobytes() == serial.tobytes()


def test_a_stored_value_serves_several_maps(on_ray):
    stored = on_ray.put({"values": np.ones(2)})
    assert [v.sum() for v in on_ray.map(scaled, [1.0, 2.0], shared=stored)] == [2.0, 4.0]
    assert [v.sum() for v in on_ray.map(scaled, [5.0], shared=stored)] == [10.0]
    local = Serial().put({"values": np.ones(2)})
    assert [v.sum() for v in on_ray.map(scaled, [5.0], shared=local)] == [10.0]


def test_shared_arrays_cannot_be_changed(on_ray):
    with pytest.raises(ValueError, match="read-only"):
        list(on_ray.map(mutating, [1.0], shared={"values": np.ones(2)}))


def test_threads_are_limited_as_in_the_serial_executor(on_ray):
    assert list(on_ray.map(threads, [0], shared=None)) == list(Serial().map(threads, [0], shared=None)) == [1]


def test_our_errors_arrive_as_they_were_raised(on_ray):
    results = on_ray.map(failing, [1, 2, 3], shared=None)
    assert next(results) == 1
    with pytest.raises(DataError, match=r"^item 2 is bad\.$"):
        next(results)


def test_other_errors_keep_their_type(on_ray):
    with pytest.raises(ValueError, match="no 7"):
        list(on_ray.map(wrong, [7], shared=None))


def test_a_lost_worker_is_replaced(on_ray, tmp_path):
    assert list(on_ray.map(dying, [0, 1, 2], shared=str(tmp_path))) == [0, 10, 20]


def test_a_unit_that_kills_every_worker_ends_in_one_line(ray_cluster):
    from quantray.distributed.executor import OnRay

    with pytest.raises(ClusterError, match="lost for good .* run the same command again") as caught:
        list(OnRay(retries=1).map(always_dying, [1], shared=None))
    assert "\n" not in str(caught.value)


@pytest.fixture
def in_fives(monkeypatch):
    """Units travel by fives, however long they take."""
    monkeypatch.setattr("quantray.distributed.batches.batch_size", lambda *_: 5)


def many(on, fn, shared):
    """Results of units 0 to 39 that came before an exception, and it."""
    found = []
    try:
        for result in on.map(fn, range(40), shared=shared):
            found.append(result)
    except Exception as error:
        return found, error
    return found, None


def late(shared, item):
    if item == 33:
        raise shared
    return item


def dying_late(shared, item):
    """As ``dying``, at item 33."""
    return dying(shared, 1) // 10 + 32 if item == 33 else item


def always_dying_late(shared, item):
    return os._exit(1) if item == 33 else item


def test_a_unit_that_fails_in_a_batch_fails_in_its_place(on_ray, in_fives):
    found, error = many(on_ray, late, DataError("item 33 is bad."))
    assert (found, type(error), str(error)) == (list(range(33)), DataError, "item 33 is bad.")
    found, error = many(on_ray, late, ValueError("no 33"))
    assert (found, isinstance(error, ValueError), "no 33" in str(error)) == (list(range(33)), True, True)


class OddError(Exception):
    """It can be sent, and not received."""

    def __init__(self, code, text):
        super().__init__(text)


def unreceivable(shared, item):
    if item == 33:
        raise OddError(3, "no 33")
    return item


def unsendable(shared, item):
    return threading.Lock() if item == 33 else item


def test_what_cannot_be_sent_takes_no_other_unit_along(on_ray, in_fives):
    for unit in (unreceivable, unsendable):
        found, error = many(on_ray, unit, None)
        assert found == list(range(33))
        assert error is not None


def test_a_lost_batch_is_run_again_unit_by_unit(ray_cluster, in_fives, tmp_path):
    from quantray.distributed.executor import OnRay

    assert many(OnRay(), dying_late, str(tmp_path)) == (list(range(40)), None)
    found, error = many(OnRay(retries=1), always_dying_late, None)
    assert (found, type(error)) == (list(range(33)), ClusterError)


def test_work_is_handed_out_a_few_units_at_a_time(ray_cluster, tmp_path):
    """When the consumer stops after the first result, most units have never been started."""
    from quantray.distributed.executor import OnRay

    handed = []

    def items():
        for number in range(1000):
            handed.append(number)
            yield number

    results = OnRay(in_flight=3).map(marking, items(), shared=str(tmp_path))
    assert next(results) == 0
    results.close()
    assert len(handed) <= 8 * 3


def test_more_than_the_cluster_has_is_refused(ray_cluster):
    from quantray.distributed.executor import OnRay

    with pytest.raises(ClusterError, match="needs 64 CPU and 0 GPU, more than this cluster has"):
        list(OnRay(cpus=64).map(scaled, [1.0], shared=None))
    with pytest.raises(ClusterError, match="1 GPU, more than"):
        list(OnRay(gpus=1).map(scaled, [1.0], shared=None))
    with pytest.raises(InputError, match="cpus must be positive"):
        OnRay(cpus=0)


def test_a_study_gives_the_same_digest_as_in_one_process(ray_cluster, tmp_path):
    results = []
    for kind in ("serial", "local"):
        settings = PortfolioSettings(
            name="same",
            data=SimulatedData(n_assets=80, n_days=420, seed=5),
            allocators=(
                AllocatorSettings(name="HRP", rule="hrp", estimator="ledoit_wolf"),
                AllocatorSettings(name="Inverse", rule="inverse_volatility", estimator="ewma"),
            ),
            benchmark="Inverse",
            folds=FoldSettings(lookback_days=252, test_days=21),
            cluster=ClusterSettings(kind=kind),
            runs=str(tmp_path / kind),
        )
        source = load_portfolios(settings)
        with connect(settings.cluster) as executor:
            results.append(run_portfolios(source, executor))
    assert results[0].digest == results[1].digest
    assert [r.n_reused for r in results] == [0, 0]
    files = [sorted((tmp_path / kind / "results").rglob("*.parquet")) for kind in ("serial", "local")]
    assert [f.name for f in files[0]] == [f.name for f in files[1]]
    assert [f.read_bytes() for f in files[0]] == [f.read_bytes() for f in files[1]]


def test_rules_of_ones_own_give_the_same_digest_where_workers_have_them(ray_cluster, tmp_path):
    import own_rules

    from quantray.distributed.executor import OnRay

    def source(name):
        own = AllocatorSettings(name="Mine", rule="own_rules:least_variance", estimator="own_rules:Shrunk")
        settings = PortfolioSettings(
            name="own",
            data=SimulatedData(n_assets=20, n_days=330, seed=5),
            allocators=(own, AllocatorSettings(name="Tilted", rule="own_rules:Tilted", parameters={"power": 2.0})),
            benchmark="Mine",
            folds=FoldSettings(lookback_days=252, test_days=42),
            runs=str(tmp_path / name),
        )
        return load_portfolios(settings)

    there = OnRay(variables={"PYTHONPATH": str(Path(own_rules.__file__).parent)})
    digests = {run_portfolios(source(name), on).digest for name, on in (("serial", Serial()), ("ray", there))}
    assert len(digests) == 1
    with pytest.raises(DataError, match="own_rules:Shrunk unknown, own_rules:least_variance unknown there and .* here"):
        run_portfolios(source("elsewhere"), OnRay())


def kernels(shared, item):
    from quantray.research.numerics import numerics_class

    return str(numerics_class())


def test_workers_elsewhere_start_with_the_kernels_that_are_fixed_here(ray_cluster, monkeypatch):
    """A Ray that this process did not start has an environment of its own."""
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Sandybridge")
    with connect(ClusterSettings()) as executor:
        (found,) = executor.map(kernels, [0], shared=None)
    assert found.startswith("Sandybridge, ")
