"""``quantray submit`` and ``quantray doctor``: programs for a cluster, and whether one answers."""

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import psutil
import typer

from quantray.errors import ClusterError, InputError
from quantray.terminal import pass_on, show_table, tell

if TYPE_CHECKING:
    from quantray.distributed.jobs import JobRequest

__all__ = ["doctor", "submit"]


def submit(
    workflow: Annotated[str, typer.Argument(help="Program, such as workflows/walk_forward.py.")],
    config: Annotated[str, typer.Argument(help="Its settings.")],
    address: Annotated[str, typer.Option(envvar="RAY_API_SERVER_ADDRESS", help="Dashboard of the cluster.")] = (
        "http://127.0.0.1:8265"
    ),
    change: Annotated[list[str] | None, typer.Option("--set", help="a.b=value; may be repeated.")] = None,
    env: Annotated[list[str] | None, typer.Option("--env", help="NAME=value for the job; may be repeated.")] = None,
    words: Annotated[list[str] | None, typer.Argument(help="More for the program, after --: -- --bars FILE.")] = None,
    python: Annotated[str, typer.Option(help="Interpreter on the cluster.")] = "python",
    wait: Annotated[bool, typer.Option(help="Follow the log until the job ends.")] = True,
) -> None:
    """Submit a workflow to a cluster, or attach where the same one already runs."""
    from quantray.distributed.jobs import JobRequest, parse_environment, submit  # noqa: PLC0415
    from quantray.distributed.packing import pack  # noqa: PLC0415
    from quantray.settings import read_content  # noqa: PLC0415

    request = JobRequest(
        workflow,
        config,
        tuple(change or []),
        words=tuple(words or []),
        python=python,
        environment=parse_environment(env or []),
    )
    # A mistake in the settings should show here, not minutes later in a remote log; the program knows its settings.
    tried = _tried(request)
    if "unknown key 'cluster'" in tried.stderr:
        # A rebalance, which is one process.
        request = replace(request, spreads=False)
        tried = _tried(request)
    if tried.returncode:
        pass_on((tried.stderr or tried.stdout).strip() + "\n", error=True)
        raise typer.Exit(tried.returncode)
    packed = pack(request.folder, read_content(request.folder / config), request.changes)
    for place in packed.elsewhere:
        tell(f"{place} is not found here; it must be installed on the cluster")
    request = replace(request, packed=packed)
    outcome = submit(request, address, wait=wait, write=pass_on)
    word = "attached to" if outcome.attached else "submitted"
    # Ray repeats the log, which has been seen, in the message.
    message = outcome.message.partition(", last available logs")[0]
    tell(f"{word} {outcome.submission_id}: {outcome.status} {message}".rstrip())
    if outcome.status in ("FAILED", "STOPPED"):
        raise typer.Exit(1)


def _tried(request: "JobRequest") -> subprocess.CompletedProcess[str]:
    """What the program says of its settings, here."""
    program = [sys.executable, *request.arguments, "--check"]
    return subprocess.run(program, check=False, capture_output=True, text=True)


def doctor(
    address: Annotated[str | None, typer.Option(envvar="RAY_ADDRESS", help="host:port of a Ray head to try.")] = None,
) -> None:
    """Show versions, hardware and whether Ray can be reached."""
    from quantray.distributed.cluster import check_reachable  # noqa: PLC0415

    rows = [("python", f"{platform.python_version()} on {platform.platform(terse=True)}")]
    for name in ("quantray", "ray", "numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "deltalake", "mlflow"):
        try:
            rows.append((name, version(name)))
        except PackageNotFoundError:
            rows.append((name, "not installed"))
    memory, disk = psutil.virtual_memory(), shutil.disk_usage(Path.cwd())
    rows.append(("cores", f"{psutil.cpu_count(logical=False)} physical, {os.cpu_count()} logical"))
    rows.append(("memory", f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"))
    rows.append(("disk here", f"{disk.free / 2**30:.1f} GiB free"))
    rows.append(("GPU", _gpus()))
    reachable = True
    if address is None:
        rows.append(("Ray cluster", "none named (set RAY_ADDRESS or --address); local runs start their own"))
    else:
        try:
            check_reachable(address)
            rows.append(("Ray cluster", f"{address} answers"))
        except (ClusterError, InputError) as error:
            reachable = False
            rows.append(("Ray cluster", str(error)))
    show_table(("", ""), rows, title="quantray doctor", head=False)
    if not reachable:
        raise typer.Exit(1)


def _gpus() -> str:
    command = shutil.which("nvidia-smi")
    if command is None:
        return "none"
    query = [command, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "nvidia-smi does not answer"
    return "; ".join(answer.stdout.strip().splitlines()) or "none"
