"""Whether the running service keeps to its OpenAPI document, whatever is sent to it.

Starts it on a Ray of this machine, as `quantray serve` does, and has Schemathesis send what the document allows and
what it does not, to every route but that of events, whose answer has no end. An answer of 500 or above, a status, a
media type or a body that the document does not tell, wrong content that is taken, and a route that lets somebody in
without its key, each count as a failure. Exit code 1 where there is one.

Usage: python benchmarks/bench_contract.py [--examples 50] [--seed 0]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from _record import describe, machine, table, versions, write_line
from bench_service import book, free_port

from quantray.research.terms import ClusterSettings
from quantray.serving.auth import KeyRing
from quantray.serving.deployment import served
from quantray.serving.publish import Shelf
from quantray.serving.settings import ServiceSettings

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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=50, help="of each route, beside those that cover its limits")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    about = machine()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = ServiceSettings(
            books=str(folder / "books"),
            keys=str(folder / "keys"),
            port=free_port(),
            stale_after_hours=1e6,
            requests_per_minute=1_000_000,
            failures_per_minute=1_000_000,
        )
        found = book(50)
        Shelf.at(settings.books).publish(found)
        key = KeyRing(folder / "keys").create("bench", ["read", "what-if", "publish", "admin"]).text
        with served(settings, ClusterSettings(kind="local")):
            told = tried(f"http://127.0.0.1:{settings.port}", key, str(found.as_of), folder, arguments)
    print(describe(about))
    print(f"{arguments.examples} examples a route; seed {arguments.seed}")
    print(table(list(told), [[f"{value:,}" for value in told.values()]]))
    write_line("bench_contract", {"machine": about, "versions": versions("ray", "fastapi", "schemathesis")} | told)
    return 1 if told["failures"] else 0


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
