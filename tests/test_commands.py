"""Every command of the pages and the workflows runs as a user runs it.

In a fresh process and a folder like the clone, with an empty home and none of this session's variables, on data that
the commands before it made. Commands are found by themselves; what stands here is how they are made small (``SMALL``),
what they stand on (``NEEDS``), and which cannot run in a test at all (``ELSEWHERE``). A command that needs something
new fails until it is said here.
"""

import ast
import contextlib
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_line import called

from quantray.cli import main
from quantray.data.synthetic import simulate_market

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "clusters/README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
PROGRAMS = ("chmod", "export", "make", "python", "quantray", "ray", "source", "ssh")

FORECASTS = (
    "--set folds.train_days=120 --set folds.valid_days=20 --set folds.test_days=60 --set folds.warm_up_days=130 "
    "--set folds.most=1 --set seeds=1"
)
EPOCH = " ".join(f"--set models.{name}.training.epochs=1" for name in ("GAT", "LSTM", "GAT-random-graph"))
SWEEP = (
    "--set folds.warm_up_days=120 --set folds.train_days=200 --set folds.test_days=120 --set search.trials=2 "
    "--set resampling.samples=100 --set data.universe={} --set strategies=[momentum_5_20,rsi_14]"
)
SMALL = {
    # What these would run is this very run of the tests, its linter and hours of measuring.
    "make test": "--just-print",
    "make lint": "--just-print",
    "make bench": "--just-print",
    # These install what they need, and check what other tests check; pictures need a browser.
    "make docs": "--just-print",
    "make release-check": "--just-print",
    "make pictures": "--just-print",
    "simulate": "--assets 50 --days 600",
    "quantray plan": "--calibrate 0",
    "ray status": "--address HEAD_ADDRESS:6379",
    "configs/demo.yaml": "--set data.n_assets=20 --set data.n_days=400 --set folds.lookback_days=120",
    "configs/risk.yaml": "--set data.n_assets=20 --set data.n_days=400 --set folds.lookback_days=120",
    "configs/sp400.yaml": "--set data.universe={} --set folds.lookback_days=252",
    "configs/allocators.yaml": "--set data.universe={} --set folds.lookback_days=252 "
    "--set 'allocators.Min variance.max_weight=0.1'",
    # Each worker loads libraries for seconds.
    "cluster.cpus=4": "--set cluster.cpus=1",
    # Another look-back, or all would be there already.
    "cluster.address=": "--set folds.lookback_days=200",
    "configs/forecasts_demo.yaml": f"{FORECASTS} {EPOCH} --set data.n_assets=30 --set data.n_days=334",
    "configs/forecasts.yaml": f"{FORECASTS} {EPOCH} --set data.universe={{}}",
    "configs/learned.yaml": "--set data.universe={} --set folds.lookback_days=252 "
    "--set 'allocators.MV learned.max_weight=0.1' --set 'allocators.MV reversal.max_weight=0.1' "
    "--set 'allocators.Min variance.max_weight=0.1'",
    # For each size an epoch is measured in a process of its own.
    "configs/scale.yaml": f"{FORECASTS} --set sizes=[20] --set measured_epochs=1 "
    "--set 'models=[{name: GAT, width: 16, layers: 1, training: {epochs: 1}}]'",
    # These measure, or start Ray, each time they run; `quantray run` runs them with the same settings.
    "python workflows/scale_universe.py": "--check",
    "python workflows/tune_models.py": "--check",
    "configs/tune.yaml": "--set target.study=SMALL_STUDY --set trials=2 --set stopping.grace=1 --set concurrent=1 "
    "--set cluster.cpus=1",
    "configs/regime_sweep.yaml": SWEEP,
    # Stopped by another command.
    "configs/regime_sweep_large.yaml": f"{SWEEP} --no-wait",
    "configs/regimes.yaml": "--set data.universe={} --set methods=[market] --set refits=1 --set lenses.warmup=120",
    "configs/capacity.yaml": "--set data.universe={} --set folds.lookback_days=252 --set aums=[1e8,1e10] "
    "--set rebalances=[monthly] --set execution_days=[1] --set 'allocators.Min variance.max_weight=0.1'",
    "configs/institutional.yaml": "--set data.n_assets=12 --set data.n_days=600 --set parts=1 --set aums=[1e9] "
    "--set strategies=[momentum_5_20,rsi_14] --set parameters.trials=2 --set regimes.methods=[clustering] "
    "--set regimes.first_days=150 --set folds.train_days=252 --set 'execution.rebalances=[monthly]'",
    # A folder of its own in every test, and a key that nobody needs.
    "configs/daily.yaml": "--set data.universe={} --set allocator.max_weight=0.1 --set lookback_days=120",
    "configs/combine.yaml": "--set data.universe={} --set resampling.samples=100 --set ensemble=false "
    + " ".join(f"--set strategies.{place}.count=1" for place in range(12)),
}
"""What a command holds -> what is added to it."""

IMPORT = "quantray data import prices.csv --store market"
HEAD = "ray start --head --port=6379 --dashboard-host=127.0.0.1"
SUBMIT = (
    "quantray submit workflows/regime_sweep.py workflows/configs/regime_sweep_large.yaml "
    "--env QUANTRAY_STORE=/shared/market --env QUANTRAY_RUNS=/shared/runs"
)
NEEDS = {
    "market": IMPORT,
    "configs/sp400.yaml": IMPORT,
    "configs/forecasts.yaml": IMPORT,
    "configs/scale.yaml": IMPORT,
    "configs/regime_sweep.yaml": IMPORT,
    "configs/combine.yaml": IMPORT,
    "configs/capacity.yaml": IMPORT,
    "configs/regimes.yaml": IMPORT,
    "configs/daily.yaml": IMPORT,
    "configs/allocators.yaml": IMPORT,
    "quantray backup": "quantray keys create desk --scope read --scope what-if",
    "quantray restore": "quantray backup backup.tar.gz --store market --books books --keys keys",
    "keys list": "quantray keys create desk --scope read --scope what-if",
    "RUN_FOLDER": "quantray run workflows/configs/sp400.yaml --set data.store=market",
    "OTHER_RUN_FOLDER": "quantray run workflows/configs/sp400.yaml --set data.store=market --set rebalance=weekly",
    "configs/learned.yaml": "python workflows/train_models.py workflows/configs/forecasts.yaml",
    "configs/tune.yaml": "quantray run workflows/configs/forecasts_demo.yaml",
    "best.yaml": "quantray run workflows/configs/tune.yaml",
    "chmod": "ray get-auth-token --generate > /dev/null",
    HEAD: "chmod 600 ~/.ray/auth_token",
    "HEAD_ADDRESS:6379": HEAD,
    "ray status": HEAD,
    "submit": HEAD,
    "SUBMISSION_ID": SUBMIT,
}
"""What a command holds -> the command that makes what it stands on."""

ON_RAY = (
    *("make demo", "configs/demo.yaml", "configs/tune.yaml", "cluster.kind=local"),
    *("ray get-auth-token", "~/.ray", "ray start", "ray status", "HEAD_ADDRESS", "submit", "SUBMISSION_ID"),
)
"""What a command holds that starts Ray or asks it; the others are small enough to be done before Ray would pay."""

SHOWN = {
    "quantray run workflows/configs/demo.yaml": "quantray run workflows/configs/demo.yaml --set cluster.kind=local "
    "--set cluster.cpus=4",
    "python workflows/walk_forward.py workflows/configs/demo.yaml": "python workflows/walk_forward.py "
    "workflows/configs/sp400.yaml --set cluster.kind=address --set cluster.address=HEAD_ADDRESS:6379",
}
"""What would start Ray -> the command that shows this program, or these settings, on Ray; so it runs without."""

ELSEWHERE = {
    "ssh": "needs another machine",
    "quantray keys rotate ID": "needs the id of a key; tests/test_service_commands has that",
    "quantray keys revoke ID": "needs the id of a key; tests/test_service_commands has that",
    "quantray audit": "needs a database that a gate wrote; tests/test_audit_commands has that",
    "quantray data import bars.xyz": "needs a format of one's own; tests/data/vendors/test_formats has that",
    "quantray submit workflows/daily_rebalance.py": "needs the bars of a new day; tests/distributed/test_jobs has that",
    "quantray serve": "serves until it is interrupted; tests/serving does that",
    "quantray oms": "needs a gate that runs; tests/test_oms_commands has that",
    "quantray venue start": "trades until it is interrupted; tests/oms/paper does that",
    "quantray watch": "looks on and on; tests/serving does that",
    "ray stop": "ends every Ray of the machine, also other people's",
    "python -m pytest": "is this very run of the tests",
}
"""Beginning of a command -> why no test runs it."""


def documented() -> dict[str, str]:
    """Command -> where it stands, in the order of reading."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```bash\n(.*?)^```", text, flags=re.M | re.S)
        for line in "".join(blocks).replace("\\\n", " ").splitlines():
            if command := " ".join(line.partition(" #")[0].split()):
                found.setdefault(command, str(page.relative_to(ROOT)))
    for program in sorted((ROOT / "workflows").glob("*.py")):
        usage = re.search(r"^Usage: (.+?)(?: \[.*)?$", ast.get_docstring(ast.parse(program.read_text())) or "", re.M)
        assert usage, f"{program.name} does not say how it is used"
        found.setdefault(usage[1], program.name)
    for settings in sorted((ROOT / "workflows" / "configs").glob("*.yaml")):
        for command in re.findall(rf"^#   ((?:{'|'.join(PROGRAMS)}) .+)$", settings.read_text(), flags=re.M):
            found.setdefault(command, settings.name)
    for page in PAGES:
        prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
        for command in re.findall(rf"`((?:{'|'.join(PROGRAMS)}) [^`\n]+)`", prose):
            # A verb that is only spoken of has a command of its own elsewhere.
            if not any(other.startswith(command) for other in found):
                found[command] = str(page.relative_to(ROOT))
    return found


COMMANDS = documented()


def needed_by(command: str) -> list[str]:
    """The commands that a command stands on, in order."""
    return [needed for part, needed in NEEDS.items() if part in command and needed != command]


def starts_ray(command: str) -> bool:
    """Whether a command itself starts Ray or asks it."""
    alone = "cluster.kind=serial" in command or command in SHOWN
    return not alone and any(part in command for part in ON_RAY)


def on_ray(command: str) -> bool:
    """Whether a command, or one that it stands on, needs Ray."""
    return starts_ray(command) or any(on_ray(needed) for needed in needed_by(command))


def verb_of(line: str) -> str:
    """The program of a line, with the words that say what it is to do."""
    words = line.split()
    return " ".join(words[: 3 if words[:2] == ["quantray", "data"] else 2])


@dataclass
class Clone:
    """A folder like the clone of somebody who types one documented command after the other."""

    user: Any
    free_ports: Callable[[int], list[int]]
    done: dict[str, subprocess.CompletedProcess] = field(default_factory=dict)
    nodes: list[subprocess.Popen] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    submitted: list[str] = field(default_factory=list)
    typed: set[str] = field(default_factory=set)
    """Verbs that have been typed into a shell."""

    @property
    def folder(self) -> Path:
        return self.user.folder

    def run(self, command: str) -> subprocess.CompletedProcess:
        """The command's outcome; it runs once, after what it stands on."""
        if command not in self.done:
            for needed in needed_by(command):
                self.run(needed)
            line, verb = self.resolved(command), verb_of(command)
            self.prepare(line)
            if command.startswith("ray start"):
                done = self._node(line)
            elif verb in self.typed and verb.startswith(("quantray", "python")) and not on_ray(command):
                done = self._here(line)
            else:
                done = self._shell(line)
            self.typed.add(verb)
            self.done[command] = done
        return self.done[command]

    def resolved(self, command: str) -> str:
        """As the user types it: made small, with his own places for those of the page."""
        line = " ".join([command, *(more for part, more in SMALL.items() if part in command)])
        if command in SHOWN:
            line += " --set cluster.kind=serial"
        if command.startswith("quantray submit"):
            before, after, own = line.partition(" -- ")
            line = f"{before} --address http://127.0.0.1:{self.ports['dashboard']}{after}{own}"
        line = line.replace("HEAD_ADDRESS:6379", f"127.0.0.1:{self.ports.get('head')}")
        line = line.replace("127.0.0.1:8265", f"127.0.0.1:{self.ports.get('dashboard')}")
        line = line.replace("=/shared/", f"={self.folder}/shared/").replace("{}", "'{}'")
        if "SUBMISSION_ID" in line:
            line = line.replace("SUBMISSION_ID", self.submitted[-1])
        for name, (pattern, place) in {
            "runs/RUN_FOLDER": ("runs/sp400-*", 0),
            "runs/OTHER_RUN_FOLDER": ("runs/sp400-*", -1),
            "runs/tune-.../best.yaml": ("runs/tune-*/best.yaml", 0),
            "SMALL_STUDY": ("runs/forecasts_demo-*/settings.yaml", 0),
        }.items():
            if name in line:
                line = line.replace(name, str(sorted(self.folder.glob(pattern))[place].relative_to(self.folder)))
        return line

    def prepare(self, line: str) -> None:
        """What is the user's own: prices as a vendor delivers them, the rules that the page shows, a shared folder."""
        if "QUANTRAY_STORE" in line:
            shutil.copytree(self.folder / "market", self.folder / "shared" / "market", dirs_exist_ok=True)
        if "import" not in line and "check prices" not in line:
            return
        vendor = {"close": "px_last", "symbol": "ticker_name"} if "px_last" in line else {}
        bars = simulate_market(50, 600, seed=1).panel.to_long()
        bars = bars[["date", "symbol", "open", "high", "low", "close", "volume"]].rename(columns=vendor)
        late = bars["date"] >= sorted(bars["date"].unique())[-5]
        bars[~late].to_csv(self.folder / "prices.csv", index=False)
        bars[late].to_csv(self.folder / "new_days.csv", index=False)
        for name in ("quality.yaml", "house.yaml"):
            text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
            rules = re.search(rf"^```yaml\n# {name}\n(.*?)^```", text, re.M | re.S)
            (self.folder / name).write_text(rules[1])
        self._from_abroad()

    def _from_abroad(self) -> None:
        """Files of the guide to data: a German one, an own format, and instants of Tokyo's closes."""
        day, price = [f"{d:02}.03.2021" for d in range(1, 6)], [f"1.20{d},50" for d in range(1, 6)]
        german = ["Datum;Kurs", *(f"{d};{p}" for d, p in zip(day, price, strict=True))]
        (self.folder / "sap.csv").write_text("\n".join(german))
        house = [f"{d};SAP GY Equity;{p};1.000" for d, p in zip(day, price, strict=True)]
        (self.folder / "house.csv").write_text("\n".join(["Stichtag;Kennung;Kurs;Umsatz", *house]))
        instants = [f"2021-03-{d:02}T15:00:00Z,{90 + d}" for d in (1, 2, 3, 4)]
        (self.folder / "7203.T_daily.csv").write_text("\n".join(["Date,Close", *instants]))
        (self.folder / "tokyo.yaml").write_text("exchange: XTKS\n")

    def _here(self, line: str) -> subprocess.CompletedProcess:
        """Run in this process what a shell has shown to start: a new one loads libraries for seconds."""
        program, *words = shlex.split(line)
        if verb_of(line) == "quantray run" or program == "python":
            words += ["--set", "cluster.kind=serial"]
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("HOME", str(self.user.home))
            if program == "quantray":
                return called(main, [program, *words], self.folder)
            return called(lambda: runpy.run_path(words[0], run_name="__main__"), words, self.folder)

    def _shell(self, line: str) -> subprocess.CompletedProcess:
        if line.startswith("ray "):
            # In the shell in which the page's variables were exported.
            line = "; ".join([*(command for command in COMMANDS if command.startswith("export ")), line])
        done = self.user.run("bash", "-c", line)
        self.submitted += re.findall(r"(?:submitted|attached to) (\S+):", done.stdout)
        return done

    def _node(self, line: str) -> subprocess.CompletedProcess:
        """Start a node and leave it running; it ends with the tests."""
        agent, *free = self.free_ports(3)
        if "--head" in line:
            self.ports |= dict(zip(("head", "dashboard"), free, strict=True))
            line = line.replace("6379", str(free[0])) + f" --dashboard-port={free[1]}"
        # Another Ray on the machine has the agent's own port; in the background nothing would be left to end.
        line += f" --num-cpus={int('--head' in line)} --dashboard-agent-listen-port={agent} --block"
        log = self.folder / f"node-{len(self.nodes)}"
        with log.open("w") as out:
            variables = self.user.environment(RAY_AUTH_MODE="token")
            node = subprocess.Popen(
                ["bash", "-c", f"exec {line}"], cwd=self.folder, env=variables, stdout=out, stderr=out
            )
        self.nodes.append(node)
        limit = time.monotonic() + 300
        while "--block" not in log.read_text() and node.poll() is None and time.monotonic() < limit:
            time.sleep(0.1)
        return subprocess.CompletedProcess(line, node.poll() or 0, log.read_text(), "")

    def end(self) -> None:
        """End the nodes, and nobody else's."""
        family = []
        for node in self.nodes:
            with contextlib.suppress(psutil.NoSuchProcess):
                family += [psutil.Process(node.pid), *psutil.Process(node.pid).children(recursive=True)]
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        for node in self.nodes:
            node.wait(timeout=120)
        _, alive = psutil.wait_procs(family, timeout=120)
        assert not alive


@pytest.fixture(scope="module")
def clone(user_in, free_ports, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "clusters", folder / "clusters")
    shutil.copytree(ROOT / "workflows", folder / "workflows", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    # An environment that is set up already.
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    (folder / ".venv" / ".installed").touch()
    (folder / "shared").mkdir()
    typed = Clone(user_in(folder), free_ports)
    yield typed
    typed.end()


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(command, marks=pytest.mark.ray if on_ray(command) else (), id=command)
        for command in COMMANDS
        if not command.startswith(tuple(ELSEWHERE))
    ],
)
def test_it_runs(clone, command):
    done = clone.run(command)
    assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"
    for word in ("Traceback", "Warning", "error: "):
        assert word not in done.stderr, done.stderr
    ends = command.startswith(("python", "quantray demo", "quantray report", "quantray run ", "make demo"))
    if "daily_rebalance" in command:
        assert "published: " in done.stdout
    elif (ends and "--check" not in str(done.args)) or "SUCCEEDED" in done.stdout:
        # Every study ends with a table, and says where its report is.
        assert "━━━━" in done.stdout
        report = clone.folder / re.findall(r"^report: (.+)$", done.stdout, flags=re.M)[-1]
        assert report.is_file()
        assert report.is_relative_to(clone.folder)


def test_commands_are_found_and_none_is_left_out():
    assert len(COMMANDS) > 30
    pages = set(COMMANDS.values())
    assert {str(page.relative_to(ROOT)) for page in PAGES if "```bash" in page.read_text(encoding="utf-8")} <= pages
    assert set(re.findall(r"workflows/(\w+\.py)", "\n".join(COMMANDS))) == {
        path.name for path in (ROOT / "workflows").glob("*.py")
    }
    assert {shlex.split(command)[0] for command in COMMANDS} <= set(PROGRAMS)


@pytest.mark.parametrize("rules", [SMALL, NEEDS, ON_RAY, ELSEWHERE], ids=["small", "needs", "on_ray", "elsewhere"])
def test_what_stands_here_is_of_a_command(rules):
    assert [part for part in rules if not any(part in command for command in COMMANDS)] == []
    assert [made for made in NEEDS.values() if made not in COMMANDS] == []
    assert [made for made in (*SHOWN, *SHOWN.values()) if made not in COMMANDS] == []
    assert all(starts_ray(shown) for shown in SHOWN.values())
