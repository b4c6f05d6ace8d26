"""When a process of Ray's dies, a line says so in seconds; other programs stand in for Ray's, but in test_failures."""

import contextlib
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest

from quantray.distributed.deaths import Watch
from quantray.errors import ClusterError


@pytest.fixture
def child(tmp_path):
    """Starts a program of a name, which sleeps."""
    started = []

    def start(name):
        program = tmp_path / name
        if not program.exists():
            shutil.copy(shutil.which("sleep"), program)
        started.append(subprocess.Popen([program, "600"]))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def under(watch, *acts):
    """Do something where Ray's death is told of, and leave Ray."""
    try:
        with watch.told():
            for act in acts:
                act()
    finally:
        with watch.leaving():
            pass


def wait():
    time.sleep(120)


def end(process):
    process.kill()
    process.wait()


@pytest.mark.parametrize("name", ["raylet", "gcs_server"])
def test_the_main_thread_is_called_back_and_the_others_are_ended(child, name):
    stranger, watch = child("sleeper"), Watch()
    watch.begin()
    own, agent = {each: child(each) for each in ("raylet", "gcs_server")}, child("agent")
    watch.started()
    start = time.monotonic()
    with pytest.raises(ClusterError, match=rf"^Ray's process {name} died under way; run the same command again"):
        under(watch, own[name].kill, wait)
    assert time.monotonic() - start < 60
    for process in (agent, *own.values()):
        assert process.wait(timeout=60) == -signal.SIGKILL
    assert stranger.poll() is None


def test_a_program_in_the_background_is_called_back_too(child):
    """A shell lets what it starts in the background ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.getsignal(signal.SIGUSR1)
    try:
        watch = Watch()
        watch.begin()
        raylet = child("raylet")
        watch.started()
        with pytest.raises(ClusterError, match="raylet died under way"):
            under(watch, raylet.kill, wait)
        assert signal.getsignal(signal.SIGUSR1) == before[1]
    finally:
        signal.signal(signal.SIGINT, before[0])


def test_one_that_dies_while_the_others_start_is_seen(child):
    watch = Watch()
    watch.begin()
    first = child("gcs_server")
    while not watch._own:
        time.sleep(0.01)
    with pytest.raises(ClusterError, match="gcs_server died"):
        under(watch, first.kill, wait)


def test_what_is_raised_because_ray_is_gone_is_not_what_is_told(child):
    def fail():
        raise ConnectionError("three pages\nof words")

    watch = Watch()
    watch.begin()
    raylet = child("raylet")
    watch.started()
    with pytest.raises(ClusterError, match="raylet died under way") as caught:
        under(watch, lambda: end(raylet), fail)
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_other_errors_and_an_end_that_is_meant_are_left_alone(child):
    def fail():
        raise ConnectionError("no network")

    watch = Watch()
    watch.begin()
    raylet = child("raylet")
    watch.started()
    with pytest.raises(ConnectionError, match="no network"):
        under(watch, fail)
    end(raylet)
    time.sleep(0.5)


ALONE = """
import os, shutil, signal, subprocess, sys, time
from quantray.distributed import deaths

deaths._GRACE = 0.3
shutil.copy(shutil.which("sleep"), "raylet")
watch = deaths.Watch(alone=True)
watch.begin()
raylet = subprocess.Popen(["./raylet", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
watch.started()
print(raylet.pid, flush=True)
{act}
try:
    with watch.leaving():
        {leave}
finally:
    print("the end")
"""


KILLED = "Ray ended this program, or somebody killed it; run the same command again to continue from what is there."
DIED = "Ray's process raylet died under way; run the same command again to continue from what is there."


@pytest.mark.parametrize(
    ("act", "code", "line"),
    [
        ("os._exit(1)", 1, KILLED),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, KILLED),
        ("signal.signal(signal.SIGUSR1, signal.SIG_IGN); raylet.kill(); time.sleep(120)", 1, DIED),
        ("pass", 0, ""),
    ],
    ids=["ended by Ray", "killed", "does not come back", "ends well"],
)
def test_a_program_that_cannot_speak_for_itself_has_a_witness(tmp_path, act, code, line):
    program = [sys.executable, "-c", ALONE.format(act=act, leave="pass")]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    pid, *rest = done.stdout.split("\n")
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(pid)).kill()
    assert (done.returncode, rest) == (code, [""] if line else ["the end", ""])
    assert done.stderr == (f"error: {line}\n" if line else "")


def test_the_witness_of_a_ray_that_does_not_end_well_is_sent_away_all_the_same(tmp_path):
    program = [sys.executable, "-c", ALONE.format(act="raylet.kill()", leave="sys.exit(7)")]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout.split("\n")[1:], done.stderr) == (7, ["the end", ""], "")
