"""A study, then a training, on a cluster of two nodes, one of which is killed under way. Run by test_failures."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread

import ray
from ray.cluster_utils import Cluster

from quantray.data.synthetic import simulate_market
from quantray.distributed.executor import OnRay
from quantray.distributed.training import RayTraining, fit_on_ray
from quantray.models.forecaster import FitContext
from quantray.models.learned import NetworkForecaster
from quantray.models.scoring import TimeReading
from quantray.models.training import TrainingSettings
from quantray.research.executor import Serial, Shared
from quantray.research.folds import walk_forward
from quantray.research.market import SimulatedData
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PortfolioSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios

NODE = {"num_gpus": 0, "include_log_monitor": False}
"""Nobody reads the logs of its workers."""


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
                limit = time.monotonic() + 240
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
    trial = task.item.item
    (marks / ray.get_runtime_context().get_node_id()).touch()
    first = trial.allocator.name == "HRP" and trial.split.train.first == data.panel.dates[0]
    limit = time.monotonic() + 240
    while not first and not (marks / "go").exists():
        assert time.monotonic() < limit, "the node was never killed"
        time.sleep(0.02)
    return fn(data, task)


class Lingers(NetworkForecaster):
    """Its third epoch is done, and its checkpoint not written yet, when the machine that it is on goes away."""

    def fit(self, panel, fold, *, context, **rest):
        folder, inner = Path(self.name), context.say

        def say(line):
            epoch = int(line.split("epoch ")[1].split(",")[0])
            with (folder / "epochs").open("a") as done:
                done.write(f"{epoch} ")
            inner(line)
            if epoch == 3 and not (folder / "gone").exists():
                (folder / "node").write_text(ray.get_runtime_context().get_node_id())
                time.sleep(600)

        return super().fit(panel, fold, context=replace(context, say=say), **rest)


def train_on_what_is_left(cluster, nodes, folder):
    """Train on one of two nodes, which is killed at the worst moment: one epoch is done again, and no byte differs."""
    folder.mkdir()
    panel = simulate_market(16, 340, seed=4).panel
    fold = walk_forward(panel.dates, train_days=40, valid_days=10, test_days=300, horizon=1, lag=1)[0]
    training = TrainingSettings(reading=TimeReading(steps=10, warm_up=5), batch=2, epochs=4, patience=4)
    shape = {"attention": "none", "width": 4, "layers": 1, "heads": 2, "training": training}
    watched = Thread(target=kill_the_trainer, args=(cluster, nodes, folder))
    watched.start()
    run = RayTraining(storage=folder, name="run", workers=1, max_failures=2)
    context = FitContext(seed=7, say=lambda line: None)
    fitted = fit_on_ray(Lingers(name=str(folder), **shape), panel, fold, run, context=context)
    watched.join()
    assert (folder / "epochs").read_text() == "1 2 3 3 4 ", (folder / "epochs").read_text()
    alone = NetworkForecaster(name="alone", **shape).fit(panel, fold, context=FitContext(seed=7))
    ours, theirs = (each.checkpoint.progress.history for each in (fitted, alone))
    assert [each.epoch for each in ours] == [1, 2, 3, 4]
    assert max(abs(a.loss - b.loss) for a, b in zip(ours, theirs, strict=True)) < 1e-5
    print("one epoch again")


def kill_the_trainer(cluster, nodes, folder):
    """Once it lingers."""
    limit = time.monotonic() + 240
    while not (folder / "node").exists() or not (folder / "node").read_text():
        assert time.monotonic() < limit, "nobody trained"
        time.sleep(0.05)
    (folder / "gone").touch()
    victim = next(node for node in nodes if node.node_id == (folder / "node").read_text())
    cluster.remove_node(victim, allow_graceful=False)


def alive_workers() -> list[str]:
    return [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]


def main(folder: Path) -> None:
    # A node that is gone refuses at once, five times within seconds; one that is slow, on a busy machine, is not gone.
    os.environ["RAY_health_check_period_ms"] = "500"
    os.environ["RAY_health_check_timeout_ms"] = "2000"
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
    system = {"health_check_period_ms": 500, "health_check_timeout_ms": 2_000, "health_check_initial_delay_ms": 0}
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "_system_config": system, "include_dashboard": False, "no_monitor": True} | NODE,
    )
    try:
        nodes = [cluster.add_node(num_cpus=1, **NODE) for _ in range(2)]
        ray.init(address=cluster.address, log_to_driver=False)
        cluster.wait_for_nodes()
        marks = folder / "marks"
        marks.mkdir()
        source = load_portfolios(settings.model_copy(update={"runs": str(folder / "cluster")}))
        result = run_portfolios(source, KillsOneNode(cluster, nodes[1], marks))
        assert result.n_reused == 0
        assert result.digest == expected.digest, (result.digest, expected.digest)
        # The head counts a node as dead a while after work on it has failed over.
        limit = time.monotonic() + 240
        while len(alive_workers()) > 1:
            assert time.monotonic() < limit, alive_workers()
            time.sleep(0.1)
        print("same digest")
        train_on_what_is_left(cluster, [nodes[0], cluster.add_node(num_cpus=1, **NODE)], folder / "training")
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
