"""Would the tests notice a mistake? Makes small ones in chosen modules, one at a time, and runs the tests of each.

Usage: python benchmarks/bench_mutation.py backtest research/folds.py [--sample 60] [--seed 0] [--limit 300] [--again]
       python benchmarks/bench_mutation.py --harmless KEY "why" ...

Of the mistakes that ``_mutants`` makes, a sample is drawn by seed. For each, the test that mirrors the module runs
first, then those of its room, without those that start Ray, up to the first failure. What no test notices survives, and
is printed with its key, place and change: either a test is missing, or the change is harmless, which ``--harmless``
writes down. A mistake after which the tests take longer than the limit counts as noticed.
``benchmarks/results/mutation.jsonl`` keeps an outcome for each mistake as soon as it is known, so the same command
continues; ``--again`` tries survivors anew, after tests were added. It takes hours over a room, so it is no part of
``make test``.

No mistake is ever written to the checkout: a process is forked that has the libraries loaded already, and reads the
changed module in place of the file. That is why this is a script of our own. Of the tools of 2026, cosmic-ray rewrites
the files under test and starts Python anew for each change, most of whose seconds are imports; mutmut forks, but makes
no mistake in properties and other decorated functions, nor in defaults of fields and constants of modules, and many of
its changes are of texts. Neither swaps arguments or drops calls.
"""

import argparse
import contextlib
import difflib
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from _mutants import Mutant, mutants_of
from _record import RESULTS, describe, machine, table

ROOT = Path(__file__).parents[1]
FILE = RESULTS / "mutation.jsonl"
LIBRARIES = (
    "numpy",
    "pandas",
    "scipy.optimize",
    "scipy.stats",
    "sklearn",
    "pyarrow.parquet",
    "plotly",
    "cvxpy",
    "torch",
)
"""Loaded once; nothing of quantray is, so that each process reads the module that is under test."""


@dataclass(frozen=True)
class Case:
    """A mistake in a module."""

    module: Path
    """Below the root."""
    source: str
    mutant: Mutant

    @property
    def key(self) -> str:
        """Of the changed text: an outcome holds for it wherever it was drawn."""
        text = self.mutant.applied_to(self.source)
        return hashlib.blake2b(f"{self.module}\n{text}".encode(), digest_size=8).hexdigest()

    @property
    def diff(self) -> str:
        """The lines that change."""
        lines = [text.splitlines() for text in (self.source, self.mutant.applied_to(self.source))]
        shown = [
            line for line in difflib.unified_diff(*lines, n=0, lineterm="") if not line.startswith(("@", "---", "+++"))
        ]
        return "\n".join(shown)


class Replaced(importlib.abc.MetaPathFinder):
    """Reads a module from another text than its file's."""

    def __init__(self, case: Case) -> None:
        self._name = ".".join(case.module.with_suffix("").parts)
        self._path, self._text = str(ROOT / case.module), case.mutant.applied_to(case.source)

    def find_spec(self, name, path=None, target=None):
        """See ``MetaPathFinder``."""
        if name != self._name:
            return None
        loader = importlib.machinery.SourceFileLoader(name, self._path)
        loader.get_code = lambda _: compile(self._text, self._path, "exec", dont_inherit=True)
        return importlib.util.spec_from_file_location(name, self._path, loader=loader)


class First:
    """Remembers the first test that failed."""

    name = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """See pytest's hook."""
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """See pytest's hook."""
        if report.failed and not self.name:
            self.name = f"import of {report.nodeid}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="*", help="rooms or modules below quantray")
    parser.add_argument("--sample", type=int, help="mistakes to make; by default all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds for the tests of one mistake")
    parser.add_argument("--again", action="store_true", help="try those anew that survived before")
    parser.add_argument("--harmless", nargs=2, action="append", default=[], metavar=("KEY", "WHY"))
    asked = parser.parse_args()
    for key, why in asked.harmless:
        keep(kept()[key] | {"outcome": "harmless", "by": why})
    modules = sorted({path for place in asked.places for path in modules_at(place)})
    sources = {module: (ROOT / module).read_text() for module in modules}
    cases = [Case(module, source, mutant) for module, source in sources.items() for mutant in mutants_of(source)]
    chosen = sorted(random.Random(asked.seed).sample(range(len(cases)), min(asked.sample or len(cases), len(cases))))
    if not cases:
        return 0
    print(f"{len(chosen)} of {len(cases)} mistakes in {len(modules)} modules, seed {asked.seed}; {describe(machine())}")
    for library in LIBRARIES:
        importlib.import_module(library)
    known = kept()
    refuse_failing({case.module: case for case in (cases[i] for i in chosen)}, asked.limit)
    outcomes = {}
    for i in chosen:
        case = cases[i]
        found = known.get(case.key)
        if found is None or (asked.again and found["outcome"] == "survived"):
            found = tried(case, asked.limit)
            keep(found)
        outcomes[i] = found
        print(f"{found['place']} {found['kind']}: {found['outcome']} {found['by']}", flush=True)
    print(summary(outcomes.values()))
    return 0


def modules_at(place: str) -> list[Path]:
    """Modules of a room, or one; maps of rooms hold no code."""
    path = ROOT / "quantray" / place
    found = [path] if path.suffix else sorted(path.rglob("*.py"))
    if not found or not all(one.is_file() for one in found):
        sys.exit(f"error: there is no {place} in quantray.")
    return [one.relative_to(ROOT) for one in found if one.name != "__init__.py"]


def refuse_failing(cases: dict[Path, Case], limit: float) -> None:
    """Stop where tests fail without any mistake: everything would be noticed."""
    for room in {module.parent: case for module, case in cases.items()}.values():
        nothing = Case(room.module, room.source, Mutant(1, "none", 0, 0, ""))
        outcome, by = run(nothing, tests_of(Path(room.module.parent, "all.py"))[0], 10 * limit)
        if outcome != "survived":
            sys.exit(f"error: the tests of {room.module.parent} fail or are slow without any mistake: {by}.")


def kept() -> dict[str, dict]:
    """Outcomes that are known, by key; the last stands."""
    return {line["key"]: line for line in map(json.loads, FILE.read_text().splitlines())} if FILE.exists() else {}


def keep(found: dict) -> None:
    """Write an outcome down."""
    with FILE.open("a") as out:
        out.write(json.dumps(found) + "\n")


def tried(case: Case, limit: float) -> dict:
    """The outcome of a mistake, killed, slow or survived, and which test noticed."""
    start, outcome, by = time.monotonic(), "survived", ""
    for tests in tests_of(case.module):
        outcome, by = run(case, tests, limit)
        if outcome != "survived":
            break
    return {
        "key": case.key,
        "place": f"{case.module}:{case.mutant.line}",
        "kind": case.mutant.kind,
        "outcome": outcome,
        "by": by,
        "seconds": round(time.monotonic() - start, 1),
        "diff": case.diff,
    }


def tests_of(module: Path) -> list[list[str]]:
    """Arguments of pytest: the mirror of a module, then the rest of its room."""
    room = Path("tests", *module.parts[1:-1])
    mirror = room / f"test_{module.name}"
    if not (ROOT / mirror).exists():
        return [[str(room)]]
    return [[str(mirror)], [str(room), f"--ignore={mirror}"]]


def run(case: Case, tests: list[str], limit: float) -> tuple[str, str]:
    """The outcome of some tests in a process of their own."""
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                test(case, tests, Path(folder))
            os._exit(70)
        end = time.monotonic() + limit
        while not (ended := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > end:
                os.killpg(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return "slow", f"more than {limit:g} s"
            time.sleep(0.02)
        code, name = os.waitstatus_to_exitcode(ended[1]), Path(folder, "first")
        # No test there is no failure: a room may have none.
        return ("survived", "") if code in (0, 5) else ("killed", name.read_text() if name.exists() else f"exit {code}")


def test(case: Case, tests: list[str], folder: Path) -> None:
    """Run tests with the mistake, and end this process with pytest's code."""
    os.setsid()
    os.chdir(ROOT)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.meta_path.insert(0, Replaced(case))
    first = First()
    plain = ["-x", "-q", "-m", "not ray", "-p", "no:cacheprovider", "-p", "no:xdist", f"--basetemp={folder / 'tmp'}"]
    code = pytest.main([*plain, *tests], plugins=[first])
    if first.name:
        (folder / "first").write_text(first.name)
    os._exit(int(code))


def summary(outcomes) -> str:
    """The score of each module, and the survivors."""
    outcomes = list(outcomes)
    by_module: dict[str, Counter] = {}
    for one in outcomes:
        by_module.setdefault(one["place"].partition(":")[0], Counter())[one["outcome"]] += 1
    total = sum(by_module.values(), Counter())
    rows = [
        [name, str(n.total()), str(n["harmless"]), str(n["survived"]), f"{1 - n['survived'] / n.total():.0%}"]
        for name, n in [*sorted(by_module.items()), ("all", total)]
    ]
    left = [
        f"\n{one['key']} {one['place']} ({one['kind']})\n{one['diff']}"
        for one in outcomes
        if one["outcome"] == "survived"
    ]
    return "\n".join([table(["module", "mistakes", "harmless", "survived", "score"], rows), *left])


if __name__ == "__main__":
    sys.exit(main())
