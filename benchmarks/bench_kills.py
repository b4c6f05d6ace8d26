"""Kills at random instants: of drivers, workers and Ray's own processes, of imports and appends, of searches.

Each round starts a command, kills one of its processes (SIGKILL) at an instant drawn from its seed, and runs the same
command again. Recorded are the exit code, the line said, the seconds until the command ended, and whether the second
ended with the digest of an undisturbed run. Rounds of several calls add up: `--table` prints what was recorded.

Usage: python benchmarks/bench_kills.py [--only KIND] [--rounds 12] [--skip 0] [--seed 0] [--table]
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from _kills import KINDS, Kind, copied, ended, launched
from _record import RESULTS, describe, machine, table, versions, write_line

_NAME = "bench_kills"


@dataclass
class Tally:
    """What the rounds of a kind came to."""

    rounds: int = 0
    equal: int = 0
    silent: int = 0
    slowest: float = 0.0
    codes: Counter[str] = field(default_factory=Counter)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=sorted(KINDS), help="by default all, one after the other")
    parser.add_argument("--rounds", type=int, help="by default as many as the kind is given")
    parser.add_argument("--skip", type=int, default=0, help="rounds that an earlier call has done")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="print what was recorded, and stop")
    arguments = parser.parse_args()
    if not arguments.table:
        for name in [arguments.only] if arguments.only else KINDS:
            run(KINDS[name], arguments.rounds or KINDS[name].rounds, arguments.skip, arguments.seed)
    print(recorded())


def run(kind: Kind, rounds: int, skip: int, seed: int) -> None:
    """Do and record the rounds of a kind."""
    about = machine()
    print(describe(about))
    with tempfile.TemporaryDirectory(prefix="quantray-kills-") as place:
        template = Path(place) / "template"
        template.mkdir()
        kind.prepare(template)
        expected, seconds = undisturbed(kind, template, Path(place) / "undisturbed")
        for number in range(skip, skip + rounds):
            # Of a kind's own seed, whatever is run beside it.
            rng = np.random.default_rng([seed, sorted(KINDS).index(kind.name), number])
            folder = Path(place) / f"round-{number}"
            outcome = ended(kind, template, folder, rng, seconds)
            code, said = launched(kind, folder).wait()
            found = kind.digest(folder, said) if code == 0 else f"exit code {code}: {said[-2000:]}"
            content = {"kind": kind.name, "seed": seed, "round": number, "equal": found == expected} | vars(outcome)
            write_line(_NAME, {"machine": about, "versions": versions("ray", "deltalake"), **content})
            print(f"{kind.name} {number}: {outcome}; {'equal' if found == expected else found}", flush=True)


def undisturbed(kind: Kind, template: Path, folder: Path) -> tuple[str, float]:
    """The digest of a run that nobody disturbs, and its seconds."""
    start = time.monotonic()
    code, said = launched(kind, copied(template, folder)).wait()
    if code != 0:
        raise SystemExit(f"the undisturbed run of {kind.name} ended with {code}: {said}")
    return kind.digest(folder, said), time.monotonic() - start


def recorded() -> str:
    """A table of all rounds in the results."""
    lines = (RESULTS / f"{_NAME}.jsonl").read_text(encoding="utf-8").splitlines()
    # A round that was done again counts once.
    latest = {(row["kind"], row["seed"], row["round"]): row for row in map(json.loads, lines)}
    tallies: dict[str, Tally] = {}
    for row in latest.values():
        one = tallies.setdefault(row["kind"], Tally())
        one.rounds += 1
        one.equal += row["equal"]
        one.silent += row["line"] == "nothing"
        one.slowest = max(one.slowest, row["seconds"])
        one.codes[str(row["code"])] += 1
    rows = [
        [
            name,
            str(one.rounds),
            ", ".join(f"{code} x {count}" for code, count in sorted(one.codes.items())),
            f"{one.slowest:.1f}",
            str(one.rounds - one.silent),
            str(one.equal),
        ]
        for name, one in tallies.items()
    ]
    titles = ["killed", "rounds", "exit codes", "slowest end, s", "said a line", "digest equal"]
    return table(titles, rows)


if __name__ == "__main__":
    main()
