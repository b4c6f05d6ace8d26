"""Networks trained by many workers through Ray Train, with the loop that trains in one process."""

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import ray
from ray import train as ray_train
from ray.train import torch as ray_torch
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.distributed.auto import on_ray
from quantray.distributed.axes.choice import Axes, check_axes
from quantray.distributed.board import Board, Item
from quantray.distributed.environment import prepare_ray
from quantray.distributed.workers import CHECKPOINT, fit_share
from quantray.errors import ClusterError, DataError, InputError, QuantrayError, SolverError, first_line
from quantray.features.feature_set import Features
from quantray.models.checkpoint import Checkpoint, load_checkpoint
from quantray.models.fitted import FittedNetwork
from quantray.models.forecaster import FitContext, features_of
from quantray.models.learned import NetworkForecaster
from quantray.models.training import EpochReport
from quantray.research.background import begin
from quantray.research.executor import Executor
from quantray.storage.files import make_folder

__all__ = ["RayTraining", "fit_on_ray"]


@dataclass(frozen=True, kw_only=True)
class RayTraining:
    """Where and by how many workers a network is trained.

    Parameters
    ----------
    storage : folder that the driver and all workers see under this path, such as a mounted network disk.
    name : of the run; its checkpoint lies in ``storage/name``, and the same name continues it.
    workers : 0 trains in this process, without Ray; 1 trains on the cluster, where its GPUs are.
    axes : how the workers stand in rows, and what those of a row share; by default all share the dates alone.
    use_gpu : one GPU for each worker; its messages go over NCCL, else over gloo.
    cpus_per_worker : reserved for each worker.
    max_failures : times that the training goes on from its checkpoint after workers were lost or failed; pre-empted
        nodes are not counted. -1 for no limit.
    start_minutes : to wait for the cluster to have room for all workers.
    timeout_minutes : after which a worker that waits for the others gives up.
    """

    storage: Path
    name: str
    workers: int = 0
    axes: Axes = field(default_factory=Axes)
    use_gpu: bool = False
    cpus_per_worker: float = 1.0
    max_failures: int = 3
    start_minutes: int = 10
    timeout_minutes: float = 30.0

    def __post_init__(self) -> None:
        if not self.name or Path(self.name).name != self.name:
            raise InputError(f"name {self.name!r} is not the name of one folder; leave out slashes.")
        if self.workers < 0:
            raise InputError(f"workers {self.workers} must be at least 0.")
        if not (self.cpus_per_worker > 0 and self.timeout_minutes > 0):
            raise InputError("cpus_per_worker and timeout_minutes must be positive.")
        if self.max_failures < -1 or self.start_minutes < 1:
            raise InputError(
                f"max_failures {self.max_failures} must be at least 0, or -1 for no limit, and start_minutes "
                f"{self.start_minutes} at least 1."
            )

    @property
    def folder(self) -> Path:
        """Where the run keeps its checkpoint."""
        return self.storage.absolute() / self.name


def fit_on_ray(
    forecaster: NetworkForecaster,
    panel: Panel,
    fold: Split,
    run: RayTraining,
    *,
    init: Any = None,
    context: FitContext | None = None,
    executor: Executor | None = None,
) -> FittedNetwork:
    """Fit a network with many workers; but for the last bits of sums, it is the fit of one process.

    ``forecaster.training.batch`` is that of all workers together, so their number does not change what is learned;
    with dropout each draws its own. Panel and features are stored once in the cluster's memory. After every epoch
    the first worker writes the checkpoint and all report to Ray Train. Lost workers are replaced and go on from the
    last epoch; so does this call, made again after its driver was lost. A finished run is read, without workers.

    Parameters
    ----------
    forecaster : its ``device`` gives way to ``run.use_gpu``.
    run : workers and storage.
    init : see ``NetworkForecaster.fit``.
    context : without a folder, which is the run's; ``say`` and ``report`` are called in this process, a moment later.
    executor : of ``cluster.connect``, which starts Ray where it does not run yet.

    Returns
    -------
    FittedNetwork
        On the CPU if workers trained it; ``FittedNetwork.load`` takes its checkpoint to another device.

    Raises
    ------
    InputError
        See ``check_axes``; or the run's folder holds another fit.
    ClusterError
        Ray does not run, has no room for the workers, or lost them more often than ``max_failures``.
    DataError, SolverError
        See ``NetworkForecaster.fit``.

    Source: Goyal et al. (2017), *Accurate, large minibatch SGD*, section 3, for sums over workers before the mean.
    """
    context = FitContext() if context is None else context
    if context.folder not in (None, run.folder):
        raise InputError(f"the context's folder {context.folder} is not the run's {run.folder}; leave it out.")
    check_axes(forecaster, run.axes, run.workers)
    context = replace(context, folder=run.folder)
    forecaster = replace(forecaster, device="cuda" if run.use_gpu else "cpu")
    before = init.checkpoint if isinstance(init, FittedNetwork) else init
    if run.workers == 0:
        return forecaster.fit(panel, fold, init=before, context=context)
    if _finished(run.folder / CHECKPOINT):
        # Refuses if what is there is another fit.
        return replace(forecaster.fit(panel, fold, init=before, context=context), device="cpu")
    features = features_of(panel, context)
    work = _Work(forecaster, panel, fold, before, features, dict(context.sectors), context.seed, run)
    return FittedNetwork(_train_on_workers(work, context, executor), context)


@dataclass(frozen=True, eq=False)
class _Work:
    """What every worker is given."""

    forecaster: NetworkForecaster
    panel: Panel
    fold: Split
    before: Checkpoint | None
    features: Features
    sectors: Mapping[str, str]
    seed: int
    run: RayTraining


def _finished(path: Path) -> bool:
    if not path.is_file():
        return False
    found = load_checkpoint(path)
    return found.progress.finished and found.state is not None


def _train_on_workers(work: _Work, context: FitContext, executor: Executor | None) -> Checkpoint:
    run = work.run
    prepare_ray()
    if executor is None and not ray.is_initialized():
        raise ClusterError("Ray does not run; connect to a cluster first, and give its executor.")
    stored = ray.put(work) if executor is None else on_ray(executor, "workers train together").put(work).value
    if not isinstance(stored, ray.ObjectRef):
        raise InputError("the executor works in this process; set workers to 0, or connect to a cluster.")
    make_folder(run.folder)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    board = ray.remote(Board).options(num_cpus=0, scheduling_strategy=here).remote()

    def share() -> Checkpoint | QuantrayError | None:
        return _share(ray.get(stored), board)

    trainer = _Trainer(
        share,
        torch_config=ray_torch.TorchConfig(timeout_s=math.ceil(60 * run.timeout_minutes)),
        scaling_config=ray_train.ScalingConfig(
            num_workers=run.workers,
            use_gpu=run.use_gpu,
            resources_per_worker={"CPU": run.cpus_per_worker} | ({"GPU": 1} if run.use_gpu else {}),
        ),
        run_config=ray_train.RunConfig(
            name=run.name,
            storage_path=str(run.folder.parent),
            failure_config=ray_train.FailureConfig(
                max_failures=run.max_failures, controller_failure_limit=run.start_minutes - 1
            ),
            logging_config=ray_train.LoggingConfig(log_level="ERROR"),
        ),
    )
    try:
        outcome = _heard(trainer.fit, board, context).return_value
    except ray_train.TrainingFailedError as error:
        raise _reason(error, run) from error
    finally:
        ray.kill(board)
    if isinstance(outcome, QuantrayError):
        raise outcome
    if not isinstance(outcome, Checkpoint):
        raise ClusterError("the training was stopped before it ended; run the same command again to continue.")
    return outcome


class _Trainer(ray_torch.TorchTrainer):  # type: ignore[misc]
    """A trainer without the helpers that have nothing to do here, each of which is a process that starts for seconds.

    One hands out Ray's datasets, of which there are none. One frees the resources of a lost controller and asks the
    dashboard whether that still lives: where Ray has no dashboard, as on one machine, Ray 2.60 waits 12 s for its end
    after each training; and a Ray of one machine ends with its driver anyway.
    """

    def _create_default_callbacks(self) -> list[Any]:
        idle: tuple[type, ...] = (DatasetsCallback,)
        if not ray._private.worker.get_dashboard_url():
            idle += (PlacementGroupCleanerCallback,)
        return [callback for callback in super()._create_default_callbacks() if not isinstance(callback, idle)]


def _share(work: _Work, board: Any) -> Checkpoint | QuantrayError | None:
    """What a worker does; the first returns the finished fit, or what is wrong with it whoever tries."""
    run, first = work.run, ray_train.get_context().get_world_rank() == 0
    if not run.folder.is_dir():
        raise DataError(f"a worker does not see {run.folder}; set storage to a folder that all nodes share.")

    def tell(item: Item) -> None:
        ray.get(board.leave.remote(item))

    def report(figures: EpochReport) -> None:
        if first:
            tell(asdict(figures))
        # All workers wait here for one another, once for every epoch.
        ray_train.report(asdict(figures))

    context = FitContext(
        features=work.features,
        sectors=work.sectors,
        seed=work.seed,
        folder=run.folder,
        say=tell if first else None,
        report=report,
    )
    try:
        fit_share(
            work.forecaster,
            work.panel,
            work.fold,
            init=work.before,
            context=context,
            axes=run.axes,
        )
    except (InputError, SolverError) as error:
        # All workers come to the same refusal; starting them again would not change it.
        return error
    # From the file: on a GPU the optimiser's state would not be read by a driver without one.
    return load_checkpoint(run.folder / CHECKPOINT) if first else None


def _heard(fit: Callable[[], Any], board: Any, context: FitContext) -> Any:
    """The result of a fit that runs in another thread, while this one passes on what the workers tell.

    So an interrupt reaches the caller as everywhere else, and the cluster ends the workers with its driver; called in
    the main thread, Ray Train would keep interrupts for itself for good.
    """
    outcome = begin(fit, name="training")
    ended = False
    while not ended:
        # Asked before the board is read: what the last worker left is then there.
        ended = _ended(outcome, seconds=0.5)
        for item in ray.get(board.take.remote()):
            if isinstance(item, str):
                if context.say is not None:
                    context.say(item)
            elif context.report is not None:
                context.report(EpochReport(**item))
    return outcome.result()


def _ended(outcome: "Future[Any]", *, seconds: float) -> bool:
    wait([outcome], timeout=seconds)
    return outcome.done()


def _reason(error: Exception, run: RayTraining) -> QuantrayError:
    """What to tell the user of a training that Ray Train gave up."""
    if isinstance(error, ray_train.ControllerError):
        reason = _one_line(error.controller_failure)
        return ClusterError(
            f"{run.workers} workers of {run.cpus_per_worker:g} CPU and {int(run.use_gpu)} GPU did not start on this "
            f"cluster: {reason}; ask for fewer, or raise start_minutes ({run.start_minutes})."
        )
    failures: Mapping[int, Exception] = getattr(error, "worker_failures", {})
    causes = [getattr(failure, "_base_exc", failure) for _, failure in sorted(failures.items())]
    ours = next((cause for cause in causes if isinstance(cause, QuantrayError)), None)
    if ours is not None:
        return ours
    worker, reason = (min(failures), _one_line(causes[0])) if causes else (0, _one_line(error))
    return ClusterError(
        f"worker {worker} of {run.workers} was lost more than {run.max_failures} times ({reason}); run the same "
        "command again to continue from the last epoch."
    )


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {first_line(error)}"
