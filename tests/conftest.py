"""Fixtures that several rooms share."""

import contextlib
import gc
import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

# Nothing of the shell that the tests are run from; and nothing that users would not have.
for name in [name for name in os.environ if name.startswith(("RAY_", "TUNE_", "QUANTRAY_"))]:
    del os.environ[name]

# Ray gives its workers a low priority; beside other work, of this machine or of these tests, they would stand still.
os.environ["RAY_worker_niceness"] = "0"

# Workers that wait stay, with the libraries that they have loaded: Ray would end them after a second, and start others
# for the next test, whenever more of them are there than processors, such as those with variables of their own.
os.environ["RAY_num_workers_soft_limit"] = "8"

# No cloud takes away the machine of these tests: each training would start a process that asks for that.
os.environ["RAY_TRAIN_ENABLE_PREEMPTION_WATCHER"] = "0"

# Nothing here outlives the session, so nothing waits for the disk.
os.fsync = lambda handle: None

# A shell lets what it starts in the background ignore interrupts, and so would all that is started here.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, however busy the machine is, and whichever modules happen to be loaded: Hypothesis
# would draw from their constants, too.
settings.register_profile("repeated", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("repeated")
providers._get_local_constants = lambda: providers._local_constants

# What is imported and collected stays, so nothing is garbage before that is done.
gc.disable()

from command_line import quantray  # noqa: E402

from quantray.data.panel import Panel  # noqa: E402
from quantray.data.synthetic import SyntheticMarket, simulate_market  # noqa: E402

ROOT = Path(__file__).parents[1]


@pytest.hookimpl(tryfirst=True)  # xdist has to read the groups afterwards
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, those that start Ray last: one Ray serves them all.

    Among several processes one has all tests that start Ray, from the beginning, with those that share their finished
    studies, and a folder stays in one process, for what its tests share; slow ones come first, or one process would be
    left alone with them at the end.
    """
    if importlib.util.find_spec("quickfix") is None:
        for item in [item for item in items if item.get_closest_marker("fix")]:
            item.add_marker(pytest.mark.skip(reason="needs QuickFIX; make test-fix installs it and runs these"))
    if "PYTEST_XDIST_WORKER" not in os.environ:
        items.sort(key=lambda item: (_starts_ray(item), _is_slow(item)))
        return
    for item in items:
        with_ray = _starts_ray(item) or not {"no_ray", "finished"}.isdisjoint(item.fixturenames)
        item.add_marker(pytest.mark.xdist_group("ray" if with_ray else _together(item)))
    items.sort(key=lambda item: ("no_ray" not in item.fixturenames, not _starts_ray(item), not _is_slow(item)))


def pytest_collection_finish() -> None:
    """What was imported stays: the garbage collector need not look through all of it in every test."""
    gc.collect()
    gc.freeze()
    gc.enable()


def _starts_ray(item: pytest.Item) -> bool:
    return item.get_closest_marker("ray") is not None


def _together(item: pytest.Item) -> str:
    """The folder of a room, or a file that stands in none."""
    return str(item.path if item.path.parent == ROOT / "tests" else item.path.parent)


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


@pytest.fixture(scope="session")
def market() -> SyntheticMarket:
    return simulate_market(60, 700, seed=1)


@pytest.fixture(scope="session")
def bars_file(tmp_path_factory) -> Path:
    """A file of bars of twelve names."""
    path = tmp_path_factory.mktemp("bars") / "bars.csv"
    frame = simulate_market(12, 400, seed=4).panel.to_long()
    frame[["date", "symbol", "open", "high", "low", "close", "volume"]].to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def imported_store(bars_file) -> Path:
    """A store into which it was imported; nobody changes it."""
    done = quantray("data", "import", bars_file, "--store", "market", cwd=bars_file.parent)
    assert done.returncode == 0, done.stderr
    assert "now at version 0" in done.stdout
    return bars_file.parent / "market"


@pytest.fixture(scope="session")
def make_panel():
    """A panel of weekdays from (T,) or (T, N) closes, all members; extra fields by name."""

    def make(close, member=None, **fields):
        close = np.asarray(close, dtype=np.float64)
        close = close[:, None] if close.ndim == 1 else close
        n_days, n_assets = close.shape
        dates = np.busday_offset("2020-01-01", np.arange(n_days), roll="forward")
        assets = np.array([f"A{i:03d}" for i in range(n_assets)])
        member = np.ones(close.shape, dtype=bool) if member is None else member
        return Panel(dates, assets, {"close": close, **fields}, member)

    return make


@pytest.fixture(scope="session")
def real_data() -> Path:
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("real market data are absent: no folder shared/data beside the repository")
    return folder


@dataclass(frozen=True)
class User:
    """Somebody who has just installed quantray: fresh processes in a folder, an empty home, nobody's variables."""

    folder: Path

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def environment(self, **variables: str) -> dict[str, str]:
        """As `source .venv/bin/activate` leaves it, and variables that the user has set."""
        path = os.pathsep.join([str(Path(sys.executable).parent), *os.defpath.split(os.pathsep)])
        return {"PATH": path, "HOME": str(self.home)} | variables

    def run(self, *words: object, timeout: float = 600, **variables: str) -> subprocess.CompletedProcess[str]:
        self.home.mkdir(exist_ok=True)
        command: Sequence[str] = [str(word) for word in words]
        environment = self.environment(**variables)
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=timeout, check=False
        )


@pytest.fixture(scope="session")
def user_in() -> type[User]:
    """Makes a user in a folder."""
    return User


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


NETWORKS = {
    "kind": "forecasts",
    "name": "tiny",
    "data": {"kind": "simulated", "n_assets": 24, "n_days": 430, "seed": 3, "planted_signal": 0.2},
    "folds": {"train_days": 60, "valid_days": 12, "test_days": 30, "horizon": 1, "warm_up_days": 270},
    "models": [
        {
            "name": "Net",
            "attention": "complete",
            "width": 8,
            "layers": 1,
            "heads": 2,
            "training": {"epochs": 3, "patience": 3, "steps": 10, "warm_up_days": 10},
        }
    ],
    "seeds": 1,
}
NETWORK_SPACE = {
    "training.learning_rate": {"kind": "loguniform", "low": 1e-4, "high": 1e-2},
    "dropout": {"kind": "uniform", "low": 0.0, "high": 0.5},
    "width": {"kind": "integers", "low": 4, "high": 10},
}
PORTFOLIOS = {
    "kind": "portfolios",
    "name": "small",
    "data": {"kind": "simulated", "n_assets": 20, "n_days": 440, "seed": 3},
    "allocators": [
        {"name": "Low risk", "rule": "minimum_variance", "estimator": "sample"},
        {"name": "Equal", "rule": "equal_weight"},
    ],
    "benchmark": "Equal",
    "folds": {"lookback_days": 126, "test_days": 63},
}
PORTFOLIO_SPACE = {
    "estimator": {"kind": "choice", "values": ["sample", "ledoit_wolf", "oas", "statistical"]},
    "folds.lookback_days": {"kind": "integers", "low": 84, "high": 168, "step": 21},
    "max_weight": {"kind": "choice", "values": [0.2, 1.0]},
}


def small_search(folder: Path, of: str = "networks", *, study: dict | None = None, **changes: object):
    """The settings of a search with the file of its study, of networks or of portfolios, beside them."""
    from quantray.studies.tuning.settings import TuningSettings

    networks, file = of == "networks", folder / "study.yaml"
    file.write_text(yaml.safe_dump((NETWORKS if networks else PORTFOLIOS) | (study or {})))
    content = {
        "kind": "tuning",
        "name": "search",
        "target": {"study": str(file), "subject": "Net" if networks else "Low risk"},
        "space": NETWORK_SPACE if networks else PORTFOLIO_SPACE,
        "trials": 4,
        "concurrent": 2,
        "stopping": {"grace": 1, "reduction": 2},
        "cluster": {"kind": "local", "cpus": 2, "auth": "disabled"},
        "runs": str(folder / "runs"),
    }
    if "target" in changes:
        changes["target"] = content["target"] | changes["target"]
    return TuningSettings.model_validate(content | changes)


def changed_from(panel: Panel, first: np.datetime64) -> Panel:
    """The panel with other prices and members from a date on."""
    row = panel.row(first)
    fields = {name: values.copy() for name, values in panel.fields.items()}
    for values in fields.values():
        values[row:] *= np.exp(np.random.default_rng(5).normal(0, 0.3, values[row:].shape))
    member = panel.member.copy()
    member[row:, ::2] = False
    return Panel(panel.dates, panel.assets, fields, member)


@pytest.fixture(scope="session")
def search_in():
    """Makes the settings of a small search in a folder."""
    return small_search


@pytest.fixture(scope="session")
def changed_later():
    """Makes a panel with other prices and members from a date on."""
    return changed_from


@pytest.fixture
def no_ray() -> None:
    """No Ray was started in this process yet."""
    assert "ray" not in sys.modules or not sys.modules["ray"].is_initialized()


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """One Ray of two CPUs for the session, started as users start it; afterwards none of its processes may live."""
    from quantray.distributed.cluster import connect
    from quantray.research.terms import ClusterSettings

    # A process that Python keeps for those that it spawns, such as the epochs that are measured alone.
    resource_tracker.ensure_running()
    before = set(psutil.Process().children(recursive=True))
    with connect(ClusterSettings(kind="local", cpus=2, object_store_mb=100)) as executor:
        executor.put(None)
        yield
    ours = [p for p in psutil.Process().children(recursive=True) if p not in before]
    _, alive = psutil.wait_procs(ours, timeout=120)
    assert not alive, f"Ray left processes behind: {[p.name() for p in alive]}"


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], list[int]]:
    """A function that gives so many ports of this machine that nobody listens on."""

    def found(number: int) -> list[int]:
        with contextlib.ExitStack() as stack:
            probes = [stack.enter_context(socket.socket()) for _ in range(number)]
            for probe in probes:
                probe.bind(("127.0.0.1", 0))
            return [probe.getsockname()[1] for probe in probes]

    return found
