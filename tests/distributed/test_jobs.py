"""Workflows as jobs on a cluster that asks for a token."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest
from small_market import SmallMarket

from quantray.distributed.jobs import JobRequest, parse_environment
from quantray.errors import InputError
from quantray.serving.publish import Shelf
from quantray.settings import to_yaml

ROOT = Path(__file__).parents[2]
TOKEN = "0123456789abcdef0123456789abcdef"
SMALL = (
    "data.n_assets=20",
    "data.n_days=400",
    "folds.lookback_days=120",
    "folds.test_days=21",
    "cluster.cpus_per_task=1",
)


@pytest.fixture
def folder(tmp_path):
    """A working folder with the workflow and its settings, as a user would submit from."""
    shutil.copytree(ROOT / "workflows", tmp_path / "workflows", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def request_in(folder, **changes):
    values = {"workflow": "workflows/walk_forward.py", "config": "workflows/configs/demo.yaml", "folder": folder}
    return JobRequest(**(values | changes))


def test_the_entrypoint_uses_the_cluster_it_runs_on(folder):
    request = request_in(folder, changes=("name=a b",), python="python3.11")
    assert request.entrypoint == (
        "python3.11 workflows/walk_forward.py workflows/configs/demo.yaml --set 'name=a b' "
        "--set cluster.kind=address --set cluster.address=auto"
    )


def test_a_program_of_one_process_is_told_of_no_cluster(folder):
    request = request_in(folder, changes=("name=a",), words=("--bars", "/shared/day.csv"), spreads=False)
    assert request.entrypoint == (
        "python workflows/walk_forward.py workflows/configs/demo.yaml --bars /shared/day.csv --set name=a"
    )


def test_paths_are_those_of_the_copy_however_they_are_written(folder, monkeypatch):
    monkeypatch.chdir(folder)
    plain = request_in(Path())
    absolute = request_in(Path(), workflow=str(folder / plain.workflow), config=f"../{folder.name}/{plain.config}")
    assert absolute.entrypoint == plain.entrypoint
    assert absolute.identity == plain.identity


def test_equal_requests_have_equal_names(folder):
    first = request_in(folder).identity
    assert request_in(folder, words=("--day", "2024-01-02")).identity != first
    assert first.startswith("quantray-walk_forward-")
    assert request_in(folder).identity == first
    assert request_in(folder, changes=("data.seed=3",)).identity != first
    assert request_in(folder, environment=(("QUANTRAY_RUNS", "/shared"),)).identity != first
    config = folder / "workflows" / "configs" / "demo.yaml"
    config.write_text(config.read_text().replace("seed: 11", "seed: 12"))
    assert request_in(folder).identity != first


def test_bad_requests_are_refused(folder, tmp_path_factory):
    with pytest.raises(InputError, match=r"none\.py does not exist"):
        request_in(folder, workflow="none.py")
    outside = tmp_path_factory.mktemp("outside") / "x.yaml"
    outside.write_text("name: x")
    with pytest.raises(InputError, match="the cluster would not see it"):
        request_in(folder, config=str(outside))
    with pytest.raises(InputError, match="NAME=value"):
        parse_environment(["QUANTRAY_RUNS"])


@pytest.fixture(scope="module")
def head(free_ports):
    """Address of the dashboard of a Ray head that asks for ``TOKEN``."""
    port, dashboard, agent = free_ports(3)
    # The default port of the agent that starts jobs is taken by any other Ray on the machine.
    options = f"--port={port} --dashboard-port={dashboard} --dashboard-agent-listen-port={agent}"
    process = subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=1", *options.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN},
    )
    for line in process.stdout:
        if "--block" in line:
            break
    try:
        yield f"http://127.0.0.1:{dashboard}"
    finally:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        process.communicate(timeout=120)
        _, alive = psutil.wait_procs(family, timeout=120)
        assert not alive


def submitted(folder, head, token, *arguments, workflow="workflows/walk_forward.py"):
    """The command that submits, under way."""
    command = [sys.executable, "-m", "quantray.cli", "submit", workflow, "workflows/configs/demo.yaml"]
    command += ["--address", head, "--python", sys.executable, "--env", f"QUANTRAY_RUNS={folder / 'runs'}", *arguments]
    for change in SMALL:
        command += ["--set", change]
    return started(command, folder, token)


def started(command, folder, token=TOKEN):
    """A command with a token, under way in a folder."""
    environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True, env=environment)


def stop(head, name):
    """As ``ray job stop`` does, without a process that loads Ray for it."""
    answer = httpx.post(f"{head}/api/jobs/{name}/stop", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
    assert answer.json() == {"stopped": True}


def ended(command):
    """Exit code, output and errors of a command."""
    with command:
        try:
            out, err = command.communicate(timeout=600)
        finally:
            command.kill()
    return command.returncode, out, err


OWN = """
import helper_of_mine

def calm(returns):
    return helper_of_mine.even(returns)
"""
HELPER = """
def even(returns):
    return [1 / returns.shape[1]] * returns.shape[1]
"""
MINE = ("--set", "allocators.HRP={name: Mine, rule: 'rules_of_mine:calm'}")


def code_of_mine(place):
    """A user's code, which travels with his jobs."""
    place.mkdir()
    (place / "rules_of_mine.py").write_text(OWN)
    (place / "helper_of_mine.py").write_text(HELPER)


@pytest.mark.ray
@pytest.mark.slow
def test_jobs_attach_or_finish_what_is_left_and_a_rebalance_is_one_too(folder, head, tmp_path_factory, monkeypatch):
    """A study's first job is stopped while its units wait; the next one does the rest.

    It needs code of the user's, which is gone from the disk before the job has begun. Commands that mostly wait go side
    by side: one with a wrong token, one whose job must fail, and a rebalance.
    """
    mine = tmp_path_factory.mktemp("user") / "research"
    monkeypatch.setenv("PYTHONPATH", str(mine))
    code_of_mine(mine)
    refused = submitted(folder, head, "0" * 32)
    (folder / "tests" / "distributed").mkdir(parents=True)
    held = "tests/distributed/held_study.py"
    shutil.copy(ROOT / held, folder / held)
    code, out, err = ended(submitted(folder, head, TOKEN, "--no-wait", "--env", "HELD_AT=2", *MINE, workflow=held))
    assert code == 0, err
    shutil.rmtree(mine)
    name = out.split("submitted ")[1].split(":")[0]
    rebalanced = rebalance_of(folder, head)
    limit = time.monotonic() + 600
    while len(results(folder)) < 2:
        assert time.monotonic() < limit, "the job never came to its units"
        time.sleep(0.1)
    code_of_mine(mine)
    code, out, err = ended(submitted(folder, head, TOKEN, "--no-wait", "--env", "HELD_AT=2", *MINE, workflow=held))
    assert code == 0, err
    assert f"attached to {name}: RUNNING" in out
    stop(head, name)
    kept = results(folder)

    failing = submitted(folder, head, TOKEN, "--set", "min_volatility=1.0")
    code, out, err = ended(submitted(folder, head, TOKEN, *MINE))
    assert code == 0, out + err
    assert "SUCCEEDED" in out
    assert "Equal weight" in out
    assert f" {len(kept)} reused" in out
    (report,) = (folder / "runs").glob("demo-*/report.html")
    assert "Mine" in report.read_text()

    code, out, err = ended(rebalanced)
    assert code == 0, out + err
    shelf = Shelf.at(str(folder / "books"))
    assert shelf.latest().version in out
    assert shelf.read(shelf.latest()).tables["parents"].num_rows == 12

    code, out, err = ended(refused)
    assert code == 1
    assert "did not take the job" in err
    assert "Traceback" not in err

    code, out, err = ended(failing)
    assert code == 1, err
    assert "FAILED" in out
    assert "no member on" in out


def results(folder):
    """The units that are done."""
    return list((folder / "runs" / "results").glob("??/*.parquet"))


def rebalance_of(folder, head):
    """The command that submits the rebalance of a small market's day, under way."""
    market = SmallMarket(folder)
    (folder / "daily.yaml").write_text(to_yaml(market.settings()))
    program = ("workflows/daily_rebalance.py", "daily.yaml")
    own = ("--address", head, "--python", sys.executable, "--", "--bars", str(market.day(0)))
    return started([sys.executable, "-m", "quantray.cli", "submit", *program, *own], folder)
