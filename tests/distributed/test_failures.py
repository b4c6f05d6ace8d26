"""What is lost comes back: a killed driver, a Ray or a node that dies, an interrupted run."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from quantray.distributed.executor import OnRay
from quantray.research.executor import Serial
from quantray.research.folder import read_run
from quantray.research.run import carry_out
from quantray.settings import read_settings
from quantray.studies.portfolios.kind import PORTFOLIOS
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "workflows" / "configs" / "demo.yaml"
HELD = Path(__file__).with_name("held_study.py")
CHANGES = ["data.n_assets=20", "data.n_days=400", "folds.test_days=21", "cluster.cpus=1", "runs=runs"]

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def finished(folder):
    return list((folder / "runs" / "results").glob("??/*.parquet"))


def ended_by(hit, folder):
    """Start the study, hit its processes once two more units are done, and return its exit code and what it said."""
    wanted = len(finished(folder)) + 2
    command = [sys.executable, str(HELD), str(CONFIG), *(word for change in CHANGES for word in ("--set", change))]
    environment = os.environ | {"HELD_AT": str(wanted)}
    with (folder / "log").open("w") as log:
        driver = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
    children = []
    try:
        limit = time.monotonic() + 600
        while len(finished(folder)) < wanted:
            assert driver.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < limit, f"no unit was done in ten minutes: {(folder / 'log').read_text()}"
            time.sleep(0.02)
        children = psutil.Process(driver.pid).children(recursive=True)
        hit(driver, {child.name(): child for child in children})
        driver.wait(timeout=600)
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"the study is still there ten minutes later: {(folder / 'log').read_text()}") from error
    finally:
        driver.kill()
        driver.wait()
        # Ray's agents notice only after a minute that the driver and its raylet are gone.
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.name() != "sh":
                    child.kill()
    return driver.returncode, (folder / "log").read_text()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    settings = read_settings(PortfolioSettings, CONFIG, [*CHANGES, f"runs={tmp_path_factory.mktemp('undisturbed')}"])
    return run_portfolios(load_portfolios(settings), Serial()).digest


WATCHED = {"RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "1"}
"""As on every cluster."""

HITS = (
    (lambda driver, children: driver.send_signal(signal.SIGINT), 3, "interrupted; run the same command again"),
    (lambda driver, children: children["gcs_server"].kill(), 1, "error: Ray's process gcs_server died under way; run"),
    (lambda driver, children: driver.kill(), -signal.SIGKILL, ""),
)


def test_whatever_dies_the_same_settings_compute_only_what_is_missing(tmp_path, undisturbed, ray_cluster, monkeypatch):
    """The study is interrupted, loses its Ray and is killed, one after the other, and then left in peace."""
    for hit, code, line in HITS:
        ended, said = ended_by(hit, tmp_path)
        assert ended == code, said
        assert line in said
        assert "Traceback" not in said
        assert not list((tmp_path / "runs").glob("demo-*/report.html"))
    kept = len(finished(tmp_path))
    monkeypatch.chdir(tmp_path)
    source = load_portfolios(read_settings(PortfolioSettings, CONFIG, CHANGES))
    about = read_run(carry_out(PORTFOLIOS, source, OnRay())).about
    # A unit may have finished between the count and the end of its worker, never the other way round.
    assert about.reused >= kept >= 2 * len(HITS)
    assert about.computed >= 1
    assert about.digest == undisturbed


def test_a_killed_node_changes_nothing_and_costs_a_training_one_epoch(tmp_path):
    """One of two nodes is killed under way; its units run again on the other and the digest is that of one process.

    A training that loses its node after an epoch, before that is kept, does this one epoch again.
    """
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("node_loss.py")), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=900,
        env=os.environ | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"} | WATCHED,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "same digest" in done.stdout
    assert "one epoch again" in done.stdout
