"""Whether the running service keeps to its OpenAPI document, whatever is sent to it.

Starts it on a Ray of this machine, as `quantray serve` does, before the gate of a small firm, and has Schemathesis
send what the document allows and what it does not, to every route but that of events, whose answer has no end: once
with the key of a reader, and once each with those of a portfolio manager, a risk officer and operations. An answer of
500 or above, a status, a media type or a body that the document does not tell, wrong content that is taken, and a
route that lets somebody in without its key, each count as a failure. Exit code 1 where there is one.

Usage: python benchmarks/bench_contract.py [--examples 50] [--seed 0]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from _record import describe, machine, table, versions, write_line
from bench_service import book, free_port

from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.controls import list_instruments, open_account, set_limits, set_marks, set_session
from quantray.oms.door import Door
from quantray.oms.gate import Gate
from quantray.oms.ledger import Account
from quantray.oms.messages import MONEY
from quantray.research.terms import ClusterSettings
from quantray.serving.auth import KeyRing
from quantray.serving.deployment import served
from quantray.serving.publish import Shelf
from quantray.serving.settings import OrdersSettings, ServiceSettings

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
)
SECONDS = 600
HOLDERS = {
    "reader": (["read", "what-if", "publish", "admin"], None),
    "manager": (["trade"], "ann"),
    "risk officer": (["risk"], None),
    "operations": (["operations"], None),
}
OPS = Actor("bench", None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=50, help="of each route, beside those that cover its limits")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    about = machine()
    with tempfile.TemporaryDirectory() as name, firm(Path(name)) as orders:
        folder = Path(name)
        settings = ServiceSettings(
            books=str(folder / "books"),
            keys=str(folder / "keys"),
            port=free_port(),
            stale_after_hours=1e6,
            requests_per_minute=1_000_000,
            failures_per_minute=1_000_000,
            orders=orders,
        )
        found = book(50)
        Shelf.at(settings.books).publish(found)
        ring = KeyRing(folder / "keys")
        keys = {who: ring.create(who, scopes, pm=pm).text for who, (scopes, pm) in HOLDERS.items()}
        with served(settings, ClusterSettings(kind="local")):
            address = f"http://127.0.0.1:{settings.port}"
            told = {who: tried(address, key, str(found.as_of), folder, arguments) for who, key in keys.items()}
    print(describe(about))
    print(f"{arguments.examples} examples a route; seed {arguments.seed}")
    titles = ["key of", *next(iter(told.values()))]
    print(table(titles, [[who, *(f"{value:,}" for value in each.values())] for who, each in told.items()]))
    write_line("bench_contract", {"machine": about, "versions": versions("ray", "fastapi", "schemathesis"), **told})
    return 1 if any(each["failures"] for each in told.values()) else 0


@contextmanager
def firm(folder: Path) -> Iterator[OrdersSettings]:
    """A gate with one portfolio manager, who may trade, and its door."""
    url = f"sqlite:///{folder / 'orders.db'}"
    with Gate(url) as gate:
        gate.do(opened)
        door = Door(gate, folder / "door")
        try:
            yield OrdersSettings(database=url, door=str(folder / "door"))
        finally:
            door.close()


def opened(books: Books) -> None:
    """One account, three names, and a day that is open."""
    names = ("AAA", "BBB", "CCC")
    list_instruments(books, OPS, dict.fromkeys(names, (1, 1)))
    set_marks(books, OPS, dict.fromkeys(names, 50 * MONEY))
    open_account(books, OPS, Account("A1", "ann", 10**9 * MONEY), dict.fromkeys(names, 1000))
    most = {("firm", "", name): 10**12 * MONEY for name in ("gross", "net", "single_name", "order_value")}
    set_limits(books, OPS, most | {("pm", "ann", "capital"): 10**12 * MONEY, ("pm", "ann", "rate"): 10**9})
    now = datetime.now(UTC)
    set_session(books, OPS, now - timedelta(hours=1), now + timedelta(hours=12))


def tried(address: str, key: str, day: str, folder: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """What Schemathesis sent and found."""
    config, report = folder / "schemathesis.toml", folder / "report.json"
    config.write_text(f'[parameters]\nday = "{day}"\n')
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    command += [f"{address}/v1/openapi.json", "--header", f"Authorization: Bearer {key}"]
    command += ["--exclude-path", "/v1/events", "--phases", "coverage,fuzzing", "--checks", ",".join(CHECKS)]
    command += ["--max-examples", str(arguments.examples), "--seed", str(arguments.seed), "--no-color"]
    command += ["--report", "json", "--report-json-path", str(report)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=SECONDS)
    if done.returncode or not report.exists():
        print(done.stdout, done.stderr)
    found = json.loads(report.read_text())
    return {
        "routes": found["operations"]["tested"],
        "requests": found["test_cases"]["generated"],
        "failures": found["test_cases"]["unique_failures"] + found["test_cases"]["errored"],
        "seconds": round(found["running_time"], 1),
    }


if __name__ == "__main__":
    sys.exit(main())
