"""Commands that ``bench_kills`` kills, how their processes are told from one another, and what they leave."""

import contextlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
import psutil
import yaml

from quantray.data.store import MarketStore
from quantray.data.synthetic import simulate_market

_PROGRAM = [sys.executable, "-m", "quantray.cli"]
_LIMIT = 150.0
"""Seconds after which a command that was killed counts as hanging."""
_STUDY = {
    "kind": "portfolios",
    "name": "killed",
    "data": {"kind": "simulated", "n_assets": 60, "n_days": 700, "seed": 11},
    "folds": {"lookback_days": 126, "test_days": 21},
    "allocators": [{"name": "HRP", "rule": "hrp"}, {"name": "Equal weight", "rule": "equal_weight"}],
    "benchmark": "Equal weight",
    "cluster": {"kind": "local", "cpus": 2},
    "runs": "runs",
}
_SEARCH = {
    "kind": "tuning",
    "name": "searched",
    "target": {"study": "study.yaml", "subject": "HRP"},
    "space": {
        "estimator": {"kind": "choice", "values": ["sample", "ledoit_wolf", "oas"]},
        "folds.lookback_days": {"kind": "integers", "low": 84, "high": 168, "step": 21},
    },
    # One at a time, or the sampler would learn from whichever trial ends first.
    "trials": 4,
    "concurrent": 1,
    "cluster": {"kind": "local", "cpus": 2},
    "runs": "runs",
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is killed, and of what."""

    name: str
    rounds: int
    """Where nobody asks for another number."""
    words: tuple[str, ...]
    """Arguments of ``quantray``."""
    is_target: Callable[[list[str], bool], bool]
    """Whether a process is the one to kill, by its command line and whether it is the command itself."""
    prepare: Callable[[Path], None]
    """Puts what the command reads into a folder."""
    digest: Callable[[Path, str], str]
    """Of what the command left in its folder and said."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended that one of its processes was killed of."""

    code: int | str
    seconds: float
    """From the kill to the end of the command."""
    line: str

    def __str__(self) -> str:
        return f"exit code {self.code} after {self.seconds:.1f} s, {self.line}"


@dataclass(frozen=True)
class Launched:
    """A command that runs, and the file that takes what it says."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> tuple[int | str, str]:
        """Its exit code, and what it said; one that hangs is ended."""
        family = self.family()
        try:
            code: int | str = self.process.wait(timeout=_LIMIT)
        except subprocess.TimeoutExpired:
            code = "hangs"
        for member in family + self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self.process.wait()
        if code != 0:
            # The line of a program that was ended from outside comes a moment later.
            time.sleep(1.0)
        return code, self.log.read_text(encoding="utf-8", errors="replace")

    def family(self) -> list[psutil.Process]:
        """The command's process and all below it."""
        try:
            driver = psutil.Process(self.process.pid)
            return [driver, *(p for p in driver.children(recursive=True) if "/bin/sh" not in p.cmdline())]
        except psutil.NoSuchProcess:
            return []


def copied(template: Path, folder: Path) -> Path:
    """A folder that a command can run in, as new."""
    shutil.rmtree(folder, ignore_errors=True)
    return Path(shutil.copytree(template, folder))


def launched(kind: Kind, folder: Path) -> Launched:
    """Start the command in its folder."""
    log = folder / f"log-{len(list(folder.glob('log-*')))}"
    with log.open("wb") as out:
        process = subprocess.Popen([*_PROGRAM, *kind.words], cwd=folder, stdout=out, stderr=subprocess.STDOUT)
    return Launched(process, log)


def ended(kind: Kind, template: Path, folder: Path, rng: np.random.Generator, seconds: float) -> Outcome:
    """Start the command and kill its target at a random instant; one that ended before is started anew."""
    while True:
        running = launched(kind, copied(template, folder))
        start, instant = time.monotonic(), seconds * rng.uniform(0.05, 0.95)
        time.sleep(instant)
        targets: list[psutil.Process] = []
        while running.process.poll() is None and not targets:
            targets = [p for p in running.family() if _is_target(kind, p, running)]
            # A target that is not there yet is killed soon after it has come.
            time.sleep(0.0 if targets else rng.uniform(0.0, 0.2))
        family = running.family()
        if targets:
            target = targets[int(rng.integers(len(targets)))]
            with contextlib.suppress(psutil.NoSuchProcess):
                target.kill()
            start = time.monotonic()
            break
        running.wait()
    code, said = running.wait()
    taken = time.monotonic() - start
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    return Outcome(code, taken, _line(said))


def _is_target(kind: Kind, process: psutil.Process, running: Launched) -> bool:
    try:
        return kind.is_target(process.cmdline() or [""], process.pid == running.process.pid)
    except psutil.Error:
        return False


def _line(said: str) -> str:
    if "Traceback" in said:
        return "traceback"
    lines = [line for line in said.splitlines() if line.startswith(("error: ", "interrupted"))]
    return lines[-1] if lines else "nothing"


def _study(folder: Path) -> None:
    (folder / "study.yaml").write_text(yaml.safe_dump(_STUDY))


def _search(folder: Path) -> None:
    # Of fewer and longer folds, the last of which are held out.
    study = _STUDY | {"folds": {"lookback_days": 126, "test_days": 63}}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    (folder / "search.yaml").write_text(yaml.safe_dump(_SEARCH))


def _bars(folder: Path, *, first: int, last: int, name: str) -> None:
    panel = simulate_market(200, 760, seed=5).panel
    dates = slice(first, last)
    frame = panel.to_frame("close").iloc[dates].rename_axis("date").reset_index().melt("date", var_name="symbol")
    frame = frame.rename(columns={"value": "close"}).dropna().assign(volume=1000.0)
    frame.to_parquet(folder / name)


def _imported(folder: Path) -> None:
    _bars(folder, first=0, last=760, name="bars.parquet")


def _appended(folder: Path) -> None:
    _bars(folder, first=0, last=700, name="first.parquet")
    MarketStore(str(folder / "market")).import_bars(folder / "first.parquet")
    _bars(folder, first=700, last=760, name="bars.parquet")


def _said(folder: Path, said: str) -> str:
    return re.findall(r"digest (\w+)", said)[-1]


def _stored(folder: Path, said: str) -> str:
    panel, hasher = MarketStore(str(folder / "market")).load(), blake2b(digest_size=16)
    fields = [panel.fields[name] for name in sorted(panel.fields)]
    for values in (panel.dates, panel.assets.astype("U"), panel.member, *fields):
        hasher.update(np.ascontiguousarray(values).tobytes())
    return hasher.hexdigest()


def _driver(words: list[str], own: bool) -> bool:
    return own


def _named(beginning: str, words: list[str], own: bool) -> bool:
    return not own and words[0].rpartition("/")[2].startswith(beginning)


_OF_STUDY = partial(Kind, words=("run", "study.yaml"), prepare=_study, digest=_said)
_OF_DATA = partial(Kind, is_target=_driver, digest=_stored)
KINDS = {
    kind.name: kind
    for kind in (
        _OF_STUDY(name="driver", rounds=12, is_target=_driver),
        _OF_STUDY(name="worker", rounds=12, is_target=partial(_named, "ray::run_unit")),
        _OF_STUDY(name="raylet", rounds=12, is_target=partial(_named, "raylet")),
        _OF_STUDY(name="gcs", rounds=12, is_target=partial(_named, "gcs_server")),
        _OF_STUDY(name="agents", rounds=12, is_target=lambda words, own: not own and "Agent" in words[0]),
        Kind(
            name="search",
            rounds=8,
            words=("run", "search.yaml"),
            is_target=_driver,
            prepare=_search,
            digest=_said,
        ),
        _OF_DATA(name="import", rounds=30, words=("data", "import", "bars.parquet"), prepare=_imported),
        _OF_DATA(name="append", rounds=30, words=("data", "import", "bars.parquet", "--append"), prepare=_appended),
    )
}
