"""What Ray reads from its environment, set in one place, whoever imported Ray before."""

import os
import secrets
import sys
from pathlib import Path
from typing import Literal

from quantray.errors import ClusterError, InputError, reason
from quantray.research.progress import say

__all__ = ["AuthMode", "describe_ray", "is_connected", "make_token", "prepare_ray"]

AuthMode = Literal["token", "disabled"]

_DEFAULTS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Seconds between two looks of Ray Train at its workers; it takes one report at each, so an epoch lasts no less.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # Seconds that workers who wait for a lost one have to leave their group, before they are ended and replaced.
    "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S": "3",
    # Pages about a raylet or a node that died, of which we say a line.
    "RAY_DEDUP_LOGS_SKIP_REGEX": "Raylet is terminated|has been marked dead",
    # Tune's own loggers would write every trial in three formats, and its banner would stand among our lines.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
    # Seconds between writes of the state of a search, of which a killed driver loses the last ones.
    "TUNE_GLOBAL_CHECKPOINT_S": "2",
}
"""Choices for Ray's variables; what the environment says stands over them."""


def prepare_ray(auth: AuthMode = "token") -> None:
    """Set Ray's variables, and have Ray read the mode of authentication that holds: that of the environment, or this.

    Call it before Ray is started or asked for anything. Ray reads the mode when it is imported, and what it starts
    reads it from the environment; if the two disagree, nothing can connect. So it is read here again, as Ray does
    itself where it turns authentication on. A Ray that this process is connected to already keeps its mode.

    Raises
    ------
    InputError
        ``RAY_AUTH_MODE`` is neither token nor disabled.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    if is_connected():
        return
    mode = os.environ.setdefault("RAY_AUTH_MODE", auth).lower()
    if mode not in ("token", "disabled"):
        raise InputError(f"RAY_AUTH_MODE is {mode!r}; set it to token or disabled, or unset it.")
    if mode != auth and auth == "disabled":
        say(f"RAY_AUTH_MODE={mode} of the environment stands over cluster.auth {auth}")
    if mode == "token":
        _keep_private(_token_path())
    if "ray" in sys.modules:
        sys.modules["ray._raylet"].Config.initialize("")


def is_connected() -> bool:
    """Whether this process is connected to a Ray; asks without importing it."""
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


def describe_ray() -> str:
    """The Ray that this process is connected to, in words."""
    import ray  # noqa: PLC0415  (seconds to import)

    have = ray.cluster_resources()
    return (
        f"{ray.get_runtime_context().gcs_address} with {have.get('CPU', 0):g} CPU, {have.get('GPU', 0):g} GPU and "
        f"authentication {_mode()}"
    )


def make_token() -> None:
    """Make the token of a Ray that starts here, where it would make one itself, for its owner alone to read.

    Raises
    ------
    ClusterError
        The file cannot be written.
    """
    path = _token_path()
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token" or path is None or path.exists():
        return
    try:
        _write_token(path)
    except OSError as error:
        raise ClusterError(
            f"cannot write a token for Ray to {path}: {reason(error)}; name a file for it in RAY_AUTH_TOKEN_PATH, or "
            "set cluster.auth to disabled."
        ) from error


def _token_path() -> Path | None:
    """Where Ray keeps a token that the environment does not name."""
    if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        return None
    try:
        return Path.home() / ".ray" / "auth_token"
    except RuntimeError as error:
        raise ClusterError(
            "there is no home folder for Ray's token; set HOME, name a file for the token in RAY_AUTH_TOKEN_PATH, or "
            "set cluster.auth to disabled."
        ) from error


def _keep_private(path: Path | None) -> None:
    """Take from others the right to read the token, which a Ray that was started otherwise wrote for everybody."""
    if path is not None and path.exists() and path.stat().st_uid == os.getuid() and path.stat().st_mode & 0o077:
        path.chmod(0o600)


def _write_token(path: Path) -> None:
    """Whole at once, for another program may start a Ray at the same time: the first to come stays."""
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    # Nobody else can put a file of his own in the way.
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_name(f".auth_token-{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def _mode() -> str:
    """The mode of authentication that this process goes by."""
    lowest = sys.modules["ray._raylet"]
    return "token" if lowest.get_authentication_mode() == lowest.AuthenticationMode.TOKEN else "disabled"
