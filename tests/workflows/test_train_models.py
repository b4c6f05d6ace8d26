"""The program that trains models: what is lost with its process is computed by the same command, and only that."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quantray.models.checkpoint import load_checkpoint
from quantray.research.executor import Serial
from quantray.research.folder import read_run
from quantray.settings import read_settings
from quantray.studies.forecasts.settings import ForecastSettings
from quantray.studies.forecasts.store import ForecastStore
from quantray.studies.forecasts.study import load_forecasts, run_forecasts

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow

# Enough epochs that a fit is still at work when its checkpoint is seen.
SETTINGS = """
kind: forecasts
name: killed
data: {kind: simulated, n_assets: 40, n_days: 330, seed: 3, planted_signal: 0.5}
models:
  - {name: GAT, width: 16, layers: 1, heads: 2, graph: {k: 8, window: 120}, training: &long
      {steps: 10, warm_up_days: 20, epochs: 6, patience: 6, learning_rate: 0.01}}
  - {name: Warm, width: 16, layers: 1, heads: 2, attention: none, warm_start: true, training: *long}
seeds: 1
folds: {train_days: 120, valid_days: 20, test_days: 40, horizon: 1, warm_up_days: 130}
cluster: {kind: serial}
runs: runs
"""


def command(folder):
    (folder / "killed.yaml").write_text(SETTINGS)
    return [sys.executable, str(ROOT / "workflows" / "train_models.py"), "killed.yaml"]


def environment():
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def results(folder):
    return {path.stem for path in (folder / "runs" / "results").glob("??/*.parquet")}


def checkpoints(folder):
    return {path.parent.name: path for path in (folder / "runs" / "results" / "checkpoints").rglob("checkpoint.pt")}


def killed_within_a_fit(folder, fewest):
    """Start the study, kill it within a fit once enough are done; returns what was done and the checkpoint left."""
    with (folder / "log").open("w") as log:
        driver = subprocess.Popen(command(folder), cwd=folder, env=environment(), stdout=log, stderr=subprocess.STDOUT)
    try:
        limit = time.monotonic() + 600
        while len(results(folder)) < fewest or not checkpoints(folder).keys() - results(folder):
            assert driver.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < limit, "no fit was under way in time"
            time.sleep(0.005)
        driver.send_signal(signal.SIGKILL)
    finally:
        driver.kill()
        driver.wait(timeout=60)
    assert driver.returncode == -signal.SIGKILL
    # A fit may have ended between the look and the signal; then its result is there.
    done = results(folder)
    return done, {key: path for key, path in checkpoints(folder).items() if key not in done}


def test_the_same_command_goes_on_where_it_was_killed(tmp_path):
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    command(undisturbed)
    settings = read_settings(ForecastSettings, undisturbed / "killed.yaml", [f"runs={undisturbed / 'runs'}"])
    expected = run_forecasts(load_forecasts(settings), Serial())
    done, broken = killed_within_a_fit(tmp_path, 2)
    assert len(done) >= 2
    epochs = [len(load_checkpoint(path).progress.history) for path in broken.values()]
    (folder,) = (tmp_path / "runs").glob("killed-*")
    assert read_run(folder).about is None
    again = subprocess.run(
        command(tmp_path), cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert list((tmp_path / "runs").glob("killed-*")) == [folder]
    about = read_run(folder).about
    assert about.reused == len(done)
    assert about.computed == expected.n_computed - len(done)
    assert about.digest == expected.digest
    assert re.search(r"digest (\w+)", again.stdout).group(1) == expected.digest
    # The fit that was cut off went on: its first epochs were not trained again.
    for key, reached in zip(broken, epochs, strict=True):
        whole = load_checkpoint(checkpoints(tmp_path)[key])
        name = "GAT" if whole.network.attention == "neighbours" else "Warm"
        said = re.findall(rf"{name} seed \d+ to {whole.fold.train.last}: joint epoch (\d+)", again.stderr)
        assert [int(number) for number in said] == list(range(reached + 1, len(whole.progress.history) + 1))
    assert results(tmp_path) == results(undisturbed)
    found = [checkpoints(place) for place in (tmp_path, undisturbed)]
    assert {key: path.read_bytes() for key, path in found[0].items()} == {
        key: path.read_bytes() for key, path in found[1].items()
    }
    stored = json.loads((folder / "forecasts.json").read_text())
    scores = ForecastStore(stored["store"]).load("GAT", version=stored["versions"]["GAT"])
    assert (scores.dates == expected.dates).all()
