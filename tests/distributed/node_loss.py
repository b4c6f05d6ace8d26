"""A study on a cluster of two nodes, one of which is killed while it works. Run by test_failures."""

import os
import sys
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

from quantray.distributed.executor import OnRay
from quantray.research.executor import Serial, Shared
from quantray.research.market import SimulatedData
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PortfolioSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios


class KillsOneNode:
    """An executor whose cluster loses a node once units run on both."""

    def __init__(self, cluster, victim, marks):
        self._inner = OnRay()
        self._cluster, self._victim, self._marks = cluster, victim, marks

    def put(self, value):
        # Stored with what the wrapped unit needs, once that is known.
        return Shared(value)

    def map(self, fn, items, *, shared):
        results = self._inner.map(waiting_unit, items, shared=(fn, shared.value, str(self._marks)))
        for number, result in enumerate(results):
            if number == 0:
                # Both nodes have begun: units that wait on the victim are lost with it.
                limit = time.monotonic() + 60
                while not (self._marks / self._victim.node_id).exists():
                    assert time.monotonic() < limit, "no unit reached the node to be killed"
                    time.sleep(0.02)
                self._cluster.remove_node(self._victim, allow_graceful=False)
                (self._marks / "go").touch()
            yield result

    def close(self):
        pass


def waiting_unit(shared, task):
    """The first unit of the study goes ahead; others wait until the node has been killed."""
    fn, data, marks = shared[0], shared[1], Path(shared[2])
    trial = task.item
    (marks / ray.get_runtime_context().get_node_id()).touch()
    first = trial.allocator.name == "HRP" and trial.split.train.first == data.panel.dates[0]
    limit = time.monotonic() + 120
    while not first and not (marks / "go").exists():
        assert time.monotonic() < limit, "the node was never killed"
        time.sleep(0.02)
    return fn(data, task)


def alive_workers() -> list[str]:
    return [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def main(folder: Path) -> None:
    os.environ["RAY_health_check_period_ms"] = "500"
    os.environ["RAY_health_check_timeout_ms"] = "500"
    os.environ["RAY_health_check_initial_delay_ms"] = "0"
    settings = PortfolioSettings(
        name="node-loss",
        data=SimulatedData(n_assets=40, n_days=420, seed=5),
        allocators=(
            AllocatorSettings(name="HRP", rule="hrp"),
            AllocatorSettings(name="Equal", rule="equal_weight"),
        ),
        benchmark="Equal",
        folds=FoldSettings(lookback_days=252, test_days=21),
        runs=str(folder / "serial"),
    )
    source = load_portfolios(settings)
    expected = run_portfolios(source, Serial())
    system = {"health_check_period_ms": 500, "health_check_timeout_ms": 500, "health_check_initial_delay_ms": 0}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "num_gpus": 0, "_system_config": system, "include_dashboard": False},
    )
    try:
        nodes = [cluster.add_node(num_cpus=2, num_gpus=0) for _ in range(2)]
        ray.init(address=cluster.address, log_to_driver=False)
        cluster.wait_for_nodes()
        marks = folder / "marks"
        marks.mkdir()
        source = load_portfolios(settings.model_copy(update={"runs": str(folder / "cluster")}))
        result = run_portfolios(source, KillsOneNode(cluster, nodes[1], marks))
        assert result.n_reused == 0
        assert result.digest == expected.digest, (result.digest, expected.digest)
        # The head counts a node as dead a while after work on it has failed over.
        limit = time.monotonic() + 60
        while len(alive_workers()) > 1:
            assert time.monotonic() < limit, alive_workers()
            time.sleep(0.1)
        print("same digest")
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
