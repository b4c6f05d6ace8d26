"""The wheel works away from the clone: it holds all it needs, and a new environment with nothing else runs it.

``make release-check`` names the wheel that it built; else one is built here.
"""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = "--set cluster.kind=serial --set data.n_assets=20 --set data.n_days=400 --set folds.lookback_days=120"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    if "WHEEL" in os.environ:
        return Path(os.environ["WHEEL"]).resolve()
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT]
    done = subprocess.run(build, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def newcomer(wheel, user_in, tmp_path_factory):
    """Somebody in an empty folder whose environment has quantray from the wheel, and its dependencies from this one."""
    folder, environment = tmp_path_factory.mktemp("away"), tmp_path_factory.mktemp("environment")
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    # What is not imported here need not be compiled.
    options = ["--quiet", "--no-deps", "--no-index", "--no-compile"]
    install = [sys.executable, "-m", "pip", "--python", python, "install", *options, wheel]
    done = subprocess.run(install, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    own = next((environment / "lib").glob("python*/site-packages"))
    # A folder named here is searched after the environment's own, and what it names itself, the clone, is not.
    dependencies = [place for place in sys.path if Path(place).name == "site-packages"]
    (own / "dependencies.pth").write_text("\n".join(dependencies))

    class Newcomer(user_in):
        def environment(self, **variables):
            clean = super().environment(**variables)
            return clean | {"PATH": os.pathsep.join([str(environment / "bin"), *os.defpath.split(os.pathsep)])}

    return Newcomer(folder)


def test_the_wheel_holds_the_programs_the_settings_and_the_mark_of_types(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        assert "quantray/py.typed" in names
        for path in [*(ROOT / "workflows").glob("*.py"), *(ROOT / "workflows" / "configs").glob("*.yaml")]:
            packed = f"quantray/_starter/{path.relative_to(ROOT)}"
            assert archive.read(packed) == path.read_bytes()
        for path in (ROOT / "quantray").rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert str(path.relative_to(ROOT)) in names


def test_it_is_the_wheel_that_runs(newcomer):
    done = newcomer.run("python", "-c", "import quantray; print(quantray.__file__)")
    assert "/environment" in done.stdout, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "quantray demo --serial",
        f"cd study && python workflows/walk_forward.py workflows/configs/demo.yaml {SMALL}",
        f"cd study && quantray run workflows/configs/demo.yaml {SMALL}",
    ],
)
def test_it_runs_where_there_is_nothing_else(newcomer, command):
    if not (newcomer.folder / "study").exists():
        done = newcomer.run("quantray", "init", "study")
        assert done.returncode == 0, done.stderr
    done = newcomer.run("bash", "-c", command)
    assert done.returncode == 0, done.stderr
    assert "━━━━" in done.stdout
    assert str(ROOT) not in done.stdout + done.stderr
