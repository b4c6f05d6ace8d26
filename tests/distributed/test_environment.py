"""Ray starts for a user whatever was imported or started before, and its token stays its owner's."""

import os
import subprocess

import pytest

from quantray.distributed.environment import make_token, prepare_ray
from quantray.errors import ClusterError, InputError

# Run in a fresh process, in which a notebook or a program has imported Ray, or started one, before.
WORK = """
import ray
{first}
from quantray.distributed.cluster import connect
from quantray.research.terms import ClusterSettings


def twice(shared, item):
    return 2 * item


with connect(ClusterSettings(kind="local", auth="{auth}", cpus=1)) as executor:
    print(list(executor.map(twice, [1, 2], shared=None)))
print("still connected" if ray.is_initialized() else "ended")
"""


IMPORTED, STARTED = "from ray import train, tune", "ray.init(address='local', num_cpus=1, include_dashboard=False)"
PROGRAMS = {
    "token": WORK.format(first=IMPORTED, auth="token"),
    "disabled": WORK.format(first="", auth="disabled"),
    "started": WORK.format(first=STARTED, auth="disabled"),
}


@pytest.fixture(scope="module")
def ran(user_in, tmp_path_factory):
    """The programs, each run by a user of his own, side by side: user and how it ended, by name."""
    under_way = {}
    for name, program in PROGRAMS.items():
        user = user_in(tmp_path_factory.mktemp(name))
        user.home.mkdir()
        command, pipe = ["python", "-c", program], subprocess.PIPE
        under_way[name] = (
            user,
            subprocess.Popen(command, cwd=user.folder, env=user.environment(), stdout=pipe, stderr=pipe, text=True),
        )
    found = {}
    for name, (user, process) in under_way.items():
        with process:
            try:
                out, err = process.communicate(timeout=600)
            finally:
                process.kill()
        found[name] = user, subprocess.CompletedProcess(name, process.returncode, out, err)
    return found


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("auth", ["token", "disabled"])
def test_it_starts_where_ray_was_imported_first(ran, auth):
    user, done = ran[auth]
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[2, 4]\nended\n"
    token = user.home / ".ray" / "auth_token"
    assert token.exists() == (auth == "token")
    if auth == "token":
        assert token.stat().st_mode & 0o777 == 0o600
        assert len(token.read_text()) == 64


@pytest.mark.ray
@pytest.mark.slow
def test_a_ray_that_runs_in_the_process_is_used_and_named(ran):
    _, done = ran["started"]
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[2, 4]\nstill connected\n"
    assert "on the Ray that this process is connected to: " in done.stderr
    assert "1 CPU, 0 GPU and authentication token" in done.stderr


def test_the_environment_stands_over_the_settings_and_says_so(no_ray, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    prepare_ray("disabled")
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"
    assert "RAY_AUTH_MODE=token of the environment stands over cluster.auth disabled" in capsys.readouterr().err
    monkeypatch.setenv("RAY_AUTH_MODE", "open")
    with pytest.raises(InputError, match="RAY_AUTH_MODE is 'open'; set it to token or disabled"):
        prepare_ray()


def test_a_token_that_others_could_read_is_closed_to_them(no_ray, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("0" * 64)
    token.chmod(0o644)
    prepare_ray()
    assert token.stat().st_mode & 0o777 == 0o600
    make_token()
    assert token.read_text() == "0" * 64
    assert [path.name for path in token.parent.iterdir()] == ["auth_token"]


def test_a_token_is_made_only_where_ray_would_make_one(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    make_token()
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "mine"))
    make_token()
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH")
    (tmp_path / ".ray").write_text("in the way")
    with pytest.raises(ClusterError, match=r"cannot write a token for Ray to .*RAY_AUTH_TOKEN_PATH"):
        make_token()


def test_nobody_else_can_read_a_token_or_put_one_in_its_place(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    seen, link = [], os.link
    monkeypatch.setattr(
        os, "link", lambda draft, path: (seen.append(os.stat(draft).st_mode & 0o777), link(draft, path))
    )
    before = os.umask(0)
    try:
        make_token()
    finally:
        os.umask(before)
    token = tmp_path / "home" / ".ray" / "auth_token"
    assert seen == [0o600]
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.parent.stat().st_mode & 0o777 == 0o700


def test_a_home_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)

    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.home", nowhere)
    with pytest.raises(ClusterError, match="there is no home folder for Ray's token; set HOME"):
        make_token()
