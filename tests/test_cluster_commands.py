"""Programs for a cluster: what is checked before anything is sent; ``distributed/test_jobs`` has a cluster."""

import shutil
from pathlib import Path

import pytest
from command_line import quantray, refused

from quantray.distributed.jobs import JobOutcome

ROOT = Path(__file__).parents[1]
REBALANCE = ("submit", "workflows/daily_rebalance.py", "workflows/configs/daily.yaml")


@pytest.fixture
def folder(tmp_path):
    """A working folder with the workflows."""
    shutil.copytree(ROOT / "workflows", tmp_path / "workflows", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_doctor(tmp_path):
    done = quantray("doctor", cwd=tmp_path)
    assert done.returncode == 0
    for word in ("python", "ray", "cores", "memory", "GPU"):
        assert word in done.stdout
    assert quantray("doctor", "--address", "127.0.0.1:1", cwd=tmp_path).returncode == 1


def test_a_rebalance_is_submitted_as_it_would_run_here(folder, monkeypatch):
    asked = []

    def submit(request, address, **_):
        asked.append(request)
        return JobOutcome("job-1", False, "SUCCEEDED", "")

    monkeypatch.setattr("quantray.distributed.jobs.submit", submit)
    done = quantray(*REBALANCE, "--set", "name=Desk", "--", "--bars", "/shared/day.csv", cwd=folder)
    assert done.stdout == "submitted job-1: SUCCEEDED\n", done.stderr
    program = "python workflows/daily_rebalance.py workflows/configs/daily.yaml"
    assert asked[0].entrypoint == f"{program} --bars /shared/day.csv --set name=Desk"


@pytest.mark.slow
def test_the_settings_of_a_rebalance_are_checked_before_they_are_sent(folder):
    refused(quantray(*REBALANCE, "--set", "lookback_days=2", cwd=folder), 2, "lookback_days")


def test_a_program_that_is_not_there_is_refused(folder):
    refused(quantray("submit", "none.py", "workflows/configs/demo.yaml", cwd=folder), 2, "none.py does not exist")


@pytest.mark.slow
def test_submit_checks_the_settings_as_their_own_program_reads_them(tmp_path):
    shutil.copy(ROOT / "workflows" / "train_models.py", tmp_path / "train.py")
    (tmp_path / "wrong.yaml").write_text(
        "kind: forecasts\nname: x\ndata: {kind: simulated}\nmodels: [{name: A, heads: 3}]\n"
    )
    refused(quantray("submit", "train.py", "wrong.yaml", cwd=tmp_path), 2, "width 64 must be a multiple of heads 3")
