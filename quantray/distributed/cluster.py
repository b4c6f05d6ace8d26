"""Connect to Ray: none, a local one at once or when it pays, or a running cluster."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil

from quantray.distributed.auto import Auto
from quantray.distributed.deaths import Watch
from quantray.distributed.environment import describe_ray, is_connected, make_token, prepare_ray
from quantray.errors import ClusterError, InputError, first_line
from quantray.research.executor import Executor, Serial
from quantray.research.numerics import fixed_variables
from quantray.research.progress import say
from quantray.research.terms import ClusterSettings

__all__ = ["check_reachable", "connect", "object_store_bytes"]

_MIB = 1024**2


@contextmanager
def connect(settings: ClusterSettings, *, shared_bytes: int = 0, alone: bool = False) -> Iterator[Executor]:
    """An executor for the settings; Ray starts with the first work, and ends with the block if it was started there.

    It does not matter whether Ray was imported before. A Ray that this process is connected to already is used as it
    is, and one line says what it has. Otherwise kind ``auto`` works in this process, without importing Ray, until a
    Ray on this machine pays; where units take GPUs, it begins there.

    Parameters
    ----------
    shared_bytes : size of what the work will share, which a local object store is made to hold.
    alone : this process is here for this work only, and may be ended where Ray has died; see ``deaths.Watch``.

    Raises
    ------
    ClusterError
        The address cannot be reached, refuses the token, or Ray does not start; or the Ray that was started here died.
    """
    if settings.kind == "serial":
        yield _serial(settings)
        return
    if settings.kind == "auto" and not is_connected():
        local = settings.model_copy(update={"kind": "local"})
        with ExitStack() as opened:
            yield Auto(
                _serial(settings),
                lambda: opened.enter_context(connect(local, shared_bytes=shared_bytes, alone=alone)),
                workers=_workers(settings),
                at_once=f"a unit takes {settings.gpus_per_task:g} GPU" if settings.gpus_per_task else None,
            )
        return
    if settings.kind == "address" and settings.address not in (None, "auto"):
        check_reachable(str(settings.address))
    prepare_ray(settings.auth)
    import ray  # noqa: PLC0415  (seconds to import; a serial run or a bad address should not pay for it)

    from quantray.distributed.executor import OnRay  # noqa: PLC0415

    found = ray.is_initialized()
    if found:
        say(f"on the Ray that this process is connected to: {describe_ray()}")
    watch = Watch(alone=alone)
    try:
        # What this process starts inherits its environment; elsewhere kernels that are fixed here would not be.
        elsewhere = found or settings.kind == "address"
        with watch.told():
            yield OnRay(
                cpus=settings.cpus_per_task,
                gpus=settings.gpus_per_task,
                variables=fixed_variables() if elsewhere else None,
                start=lambda: _start(settings, shared_bytes, watch),
            )
    finally:
        with watch.leaving():
            if not found and ray.is_initialized():
                ray.shutdown()


def check_reachable(address: str, *, seconds: float = 5.0) -> None:
    """Raise ``ClusterError`` in seconds where Ray would try for minutes; ``InputError`` for a malformed address."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal() or not host:
        raise InputError(f"address {address!r} is not host:port; a Ray head listens on port 6379 by default.")
    try:
        with socket.create_connection((host, int(port)), timeout=seconds):
            return
    except (OSError, OverflowError, ValueError) as error:
        raise ClusterError(
            f"no Ray head answers at {address} ({error}); check the address, or start one with `ray start --head`."
        ) from error


def object_store_bytes(settings: ClusterSettings, shared_bytes: int) -> int:
    """Bytes for a local object store: asked for, or three times what is shared, within a third of free memory."""
    if settings.object_store_mb is not None:
        return settings.object_store_mb * _MIB
    room = int(psutil.virtual_memory().available / 3)
    return max(100 * _MIB, min(3 * shared_bytes + 200 * _MIB, room))


def _serial(settings: ClusterSettings) -> Serial:
    return Serial(threads=max(1, int(settings.cpus_per_task)))


def _workers(settings: ClusterSettings) -> int:
    """Units that a Ray on this machine would run at a time."""
    from joblib import cpu_count  # noqa: PLC0415  (knows of the quotas of containers, as Ray does)

    return max(1, int((settings.cpus or cpu_count()) / settings.cpus_per_task))


def _start(settings: ClusterSettings, shared_bytes: int, watch: Watch) -> None:
    import ray  # noqa: PLC0415

    watch.begin()
    try:
        if settings.kind == "address":
            ray.init(address=settings.address, log_to_driver=False, logging_level="ERROR")
        else:
            make_token()
            ray.init(
                address="local",
                num_cpus=settings.cpus,
                include_dashboard=False,
                object_store_memory=object_store_bytes(settings, shared_bytes),
                log_to_driver=False,
                logging_level="ERROR",
            )
        watch.started()
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as error:
        remedy = (
            f"check the address, that its authentication is {os.environ['RAY_AUTH_MODE']} as here, and the token in "
            "RAY_AUTH_TOKEN or ~/.ray/auth_token"
            if settings.kind == "address"
            else "free memory and space under /tmp, or do without it: --set cluster.kind=serial"
        )
        raise ClusterError(f"Ray did not start or refused the connection: {first_line(error)}; {remedy}.") from error
