"""Fixtures that several rooms share."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

# Ray reads these once, on import.
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
for name in ("RAY_ADDRESS", "QUANTRAY_STORE", "QUANTRAY_RUNS"):
    os.environ.pop(name, None)

from quantray.data.synthetic import SyntheticMarket, simulate_market  # noqa: E402

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, those that start Ray last: one Ray serves them all."""
    items.sort(key=lambda item: (bool(item.get_closest_marker("ray")), bool(item.get_closest_marker("slow"))))


@pytest.fixture(scope="session")
def market() -> SyntheticMarket:
    return simulate_market(60, 700, seed=1)


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real market data are absent: no folder shared/data beside the repository")
    return folder


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """One Ray of two CPUs for the session; afterwards none of its processes may live."""
    import ray

    before = set(psutil.Process().children(recursive=True))
    ray.init(
        address="local",
        num_cpus=2,
        num_gpus=0,
        include_dashboard=False,
        object_store_memory=100 * 1024**2,
        log_to_driver=False,
    )
    yield
    ray.shutdown()
    ours = [p for p in psutil.Process().children(recursive=True) if p not in before]
    _, alive = psutil.wait_procs(ours, timeout=30)
    assert not alive, f"Ray left processes behind: {[p.name() for p in alive]}"
