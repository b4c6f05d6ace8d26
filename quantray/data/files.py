"""Files that appear whole or not at all."""

import os
import tempfile
from pathlib import Path

from quantray.errors import DataError

__all__ = ["write_atomically"]


def write_atomically(path: Path, content: bytes | memoryview | str) -> None:
    """Write a file so that it appears whole or not at all.

    Raises
    ------
    DataError
        The folder cannot be written or the disk is full.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False) as handle:
            temporary = handle.name
            handle.write(data)
            handle.flush()
            os.fsync(handle.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise DataError(f"cannot write {path}: {reason}; free space or choose another folder.") from error
