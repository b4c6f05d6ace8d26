"""Submit workflows to a cluster as Ray jobs, and attach to one that already runs."""

import asyncio
import hashlib
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from quantray.distributed.environment import prepare_ray
from quantray.distributed.packing import Packed, gathered
from quantray.errors import ClusterError, InputError, first_line
from quantray.printable import masked_change

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

__all__ = ["JobOutcome", "JobRequest", "parse_environment", "submit"]

_EXCLUDES = [
    ".git",
    ".venv",
    *(f".{tool}" for tool in ("hypothesis", "import_linter_cache", "mypy_cache", "pytest_cache", "ruff_cache")),
    "**/__pycache__",
    "*.egg-info",
    "runs",
    "market",
    "mlruns",
    "dist",
    "*.parquet",
]
"""What a job does not need of the working folder; data belongs on shared storage."""


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class JobRequest:
    """A workflow and its settings, to run in a copy of a folder."""

    workflow: str
    """Path of the program below ``folder``."""
    config: str
    """Path of its settings below ``folder``."""
    changes: tuple[str, ...] = ()
    """``--set`` arguments; the job adds those that make it use the cluster it runs on."""
    words: tuple[str, ...] = ()
    """More that the program takes, such as ``--bars FILE`` of a rebalance, with paths as the cluster knows them."""
    spreads: bool = True
    """Whether the settings know a cluster, to be told the one that the job runs on."""
    folder: Path = Path()
    python: str = "python"
    """Interpreter on the cluster."""
    environment: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Environment variables of the job, such as ``QUANTRAY_STORE``."""
    packed: Packed = field(default_factory=Packed)
    """Code of the user's that the settings name."""

    def __post_init__(self) -> None:
        given = (*self.changes, *self.words)
        if secret := next((change for change in given if masked_change(change) != change), None):
            raise InputError(
                f"--set {masked_change(secret)} would show a secret to all who see the cluster's jobs; write it into "
                f"{self.config}, or hand it over in the environment, as --env MLFLOW_TRACKING_PASSWORD=..."
            )
        for name in (self.workflow, self.config):
            path = self.folder / name
            if not path.is_file():
                raise InputError(f"{path} does not exist; give paths relative to the folder that you submit from.")
            if not path.resolve().is_relative_to(self.folder.resolve()):
                raise InputError(f"{name} lies outside {self.folder.resolve()}, so the cluster would not see it.")

    @property
    def entrypoint(self) -> str:
        """The shell command that the cluster runs."""
        return shlex.join([self.python, *self.arguments])

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of the interpreter."""
        here = ("cluster.kind=address", "cluster.address=auto") if self.spreads else ()
        changes = [word for change in (*self.changes, *here) for word in ("--set", change)]
        return (self._sent(self.workflow), self._sent(self.config), *self.words, *changes)

    @property
    def identity(self) -> str:
        """Equal for requests that would compute the same: the prefix of the job's submission id."""
        hasher = hashlib.blake2b(digest_size=6)
        for part in (self.entrypoint, repr(self.environment), *self.packed.code):
            hasher.update(part.encode())
        for name in (self.workflow, self.config):
            hasher.update((self.folder / name).read_bytes())
        return f"quantray-{Path(self.workflow).stem}-{hasher.hexdigest()}"

    def _sent(self, name: str) -> str:
        """The path of a file below the copy of the folder on the cluster, however it was written here."""
        return (self.folder / name).resolve().relative_to(self.folder.resolve()).as_posix()


@dataclass(frozen=True)
class JobOutcome:
    """What became of a job."""

    submission_id: str
    attached: bool
    """Whether it already ran when asked for."""
    status: str
    """``PENDING``, ``RUNNING``, ``SUCCEEDED``, ``FAILED`` or ``STOPPED``."""
    message: str


def submit(
    request: JobRequest, address: str, *, wait: bool = True, write: Callable[[str], object] = print
) -> JobOutcome:
    """Submit a request, or attach to the same request where it already runs; follow its log to the end.

    Parameters
    ----------
    address : of the cluster's dashboard, such as ``http://127.0.0.1:8265``.
    wait : follow the log; else return once submitted.
    write : receives the log, piece by piece.

    Raises
    ------
    ClusterError
        The address cannot be reached or refuses the token.
    """
    prepare_ray()
    from ray.exceptions import RayError  # noqa: PLC0415  (a request that is wrong should not pay for the import)
    from ray.job_submission import JobStatus, JobSubmissionClient  # noqa: PLC0415

    try:
        client = JobSubmissionClient(address)
        known: Mapping[str, JobStatus] = {
            str(job.submission_id): job.status
            for job in client.list_jobs()
            if str(job.submission_id).startswith(request.identity)
        }
        running = [name for name, status in known.items() if not status.is_terminal()]
        if running:
            name = running[0]
        else:
            # Earlier jobs may have been deleted, so the next number is not their count.
            numbers = [int(number) for name in known if (number := name.rpartition("-")[2]).isdigit()]
            name = f"{request.identity}-{max(numbers, default=0) + 1}"
            _hand_in(client, request, name)
        if wait:
            asyncio.run(_follow(client, name, write))
            _settle(client, name)
        info = client.get_job_info(name)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise ClusterError(
            f"the cluster at {address} did not take the job: {first_line(error)}; check the dashboard's "
            "address and the token."
        ) from error
    return JobOutcome(name, bool(running), str(info.status.value), info.message or "")


def _hand_in(client: "JobSubmissionClient", request: JobRequest, name: str, *, seconds: float = 60.0) -> None:
    """Submit; a head that has just started has no agent for jobs yet, which is worth waiting for."""
    limit = time.monotonic() + seconds
    while True:
        try:
            with gathered(request.folder, request.packed) as folder:
                client.submit_job(
                    entrypoint=request.entrypoint,
                    submission_id=name,
                    runtime_env={
                        "working_dir": str(folder),
                        "excludes": _EXCLUDES,
                        "env_vars": dict(request.environment),
                    },
                )
            return
        except RuntimeError as error:
            if "No available agent" not in str(error) or time.monotonic() > limit:
                raise
            time.sleep(1.0)


def _settle(client: "JobSubmissionClient", name: str, *, seconds: float = 60.0) -> None:
    """Wait for a job whose log has ended to say how it ended."""
    limit = time.monotonic() + seconds
    while not client.get_job_status(name).is_terminal() and time.monotonic() < limit:
        time.sleep(0.5)


async def _follow(client: "JobSubmissionClient", name: str, write: Callable[[str], object]) -> None:
    async for lines in client.tail_job_logs(name):
        write(lines)


def parse_environment(pairs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """``NAME=value`` texts as pairs.

    Raises
    ------
    InputError
        One is not of that form, or its value has a line break or another character that cannot be seen; values, which
        may be secret, are not repeated.
    """
    out = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise InputError(f"--env {name!r} is not of the form NAME=value with a name of letters, digits and _.")
        if not value.isprintable():
            raise InputError(f"--env {name}: the value must be one line of printable characters; encode it otherwise.")
        out.append((name, value))
    return tuple(out)
