import psutil
import pytest

from quantray.distributed.fleet import Elsewhere, fleet_of
from quantray.errors import InputError
from quantray.research.terms import ClusterSettings


def test_this_machine_as_it_is(tmp_path):
    found = fleet_of(ClusterSettings(kind="local", cpus=3, object_store_mb=128), str(tmp_path / "not/yet"), 0)
    assert (found.machines, found.cpus, found.on_ray, found.here, found.workers) == (1, 3, True, True, 3)
    assert 0 < found.memory_bytes <= psutil.virtual_memory().total
    assert found.store_bytes == 128 * 2**20
    assert found.disk_bytes > 0
    serial = fleet_of(ClusterSettings(kind="serial"), str(tmp_path), 0)
    assert (serial.on_ray, serial.workers, serial.store_bytes) == (False, 1, None)
    auto = [fleet_of(ClusterSettings(), str(tmp_path), 0, on_ray=on_ray).on_ray for on_ray in (False, True)]
    assert auto == [False, True]


def test_a_cluster_that_is_not_here_has_to_be_described(tmp_path):
    cluster = ClusterSettings(kind="address", address="head:6379", cpus_per_task=2)
    with pytest.raises(InputError, match=r"nothing is known of the machines at head:6379; .*--workers 4"):
        fleet_of(cluster, str(tmp_path), 0)
    found = fleet_of(cluster, str(tmp_path), 0, elsewhere=Elsewhere(4, 16, 64.0))
    assert (found.machines, found.workers, found.memory_bytes, found.here) == (4, 32, 64 * 2**30, False)
