"""Files by name in a local folder or in an object store."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake.fs import DeltaStorageHandler

from quantray.storage.addresses import local_folder, store_address
from quantray.storage.files import mapped_file, write_atomically

__all__ = ["Place"]


@dataclass(frozen=True, eq=False)
class Place:
    """A folder of files that are written whole."""

    address: str
    """As Delta Lake takes it."""
    folder: Path | None
    """None for an object store."""
    files: pafs.FileSystem

    @classmethod
    def at(cls, uri: str, options: Mapping[str, str] | None = None) -> "Place":
        """The place of an address: a path, ``file://`` or an object store's; raises as ``store_address``."""
        uri = store_address(uri)
        folder = local_folder(uri)
        if folder is not None:
            return cls(str(folder), folder, pafs.SubTreeFileSystem(str(folder), pafs.LocalFileSystem()))
        return cls(uri, None, pafs.PyFileSystem(DeltaStorageHandler(uri, dict(options or {}))))

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return bool(self.files.get_file_info(name).type == pafs.FileType.File)

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return int(self.files.get_file_info(name).size)

    def read(self, name: str) -> pa.Buffer:
        """The bytes of a file; of what is none, such as a pipe, nothing is opened."""
        if self.folder is not None:
            return mapped_file(self.folder / name)
        with self.files.open_input_file(name) as handle:
            return handle.read_buffer()

    def write(self, name: str, content: pa.Buffer | bytes) -> None:
        """Write a file so that it appears whole or not at all."""
        if self.folder is not None:
            write_atomically(self.folder / name, memoryview(content))
            return
        # Through pyarrow the handler would be given buffers, and it takes bytes alone.
        stream = self.files.handler._handler.open_output_stream(name, None)
        stream.write(bytes(content))
        stream.close()

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        if self.has(name):
            self.files.delete_file(name)

    def names(self, folder: str) -> list[str]:
        """Of the files in a folder; none where there is no such folder."""
        found = self.files.get_file_info(pafs.FileSelector(folder, allow_not_found=True))
        return [each.base_name for each in found]
