"""Processes that train together, without Ray."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def found_by(count, folder):
    """What ``training_pair`` finds with a number of processes: of each, by name."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT)}
    script = Path(__file__).with_name("training_pair.py")
    command = [sys.executable, "-W", "error:::quantray", str(script), str(count), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads((folder / f"found-{rank}.json").read_text()) for rank in range(count)]


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """What each of two processes found."""
    return found_by(2, tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="session")
def four(tmp_path_factory):
    """What each of four processes found."""
    return found_by(4, tmp_path_factory.mktemp("four"))
