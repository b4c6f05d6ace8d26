"""The head of the log, signed and kept elsewhere: the only way to see that the log's end was cut off, or all rewritten.

A seal is number, row, its hash and a time, signed with Ed25519, a line of a journal on another disk or machine. The log
notes each seal, so that seals that are gone are seen by the log, as rows that are gone are by the seals. Who verifies
needs the public key only; whoever has the private one, the log and the seals could write all of it anew.
"""

import base64
import json
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from quantray.errors import DataError, InputError, reason
from quantray.oms.books import Books, stamp
from quantray.oms.changes import Actor
from quantray.oms.database import FencedError, StoreError
from quantray.oms.gate import ClosedError, Gate
from quantray.oms.replay import Finding, Replay
from quantray.storage.files import make_folder, read_file
from quantray.storage.journal import append_lines, read_lines, set_aside_torn

__all__ = ["Seal", "Sealer", "make_keys", "read_seals", "unsealed"]

_SEALER = Actor("sealer")


@dataclass(frozen=True, slots=True)
class Seal:
    """That a row of the log had this hash at a time."""

    number: int
    seq: int
    head: str
    time: str

    def message(self) -> bytes:
        """What is signed."""
        return json.dumps(["quantray orders", self.number, self.seq, self.head, self.time]).encode()


def make_keys(path: Path) -> Path:
    """Make a pair of keys; returns the path of the public one, ``path`` with ``.pub`` after it.

    Parameters
    ----------
    path : of the private key, mode 0600; there must be none yet.

    Raises
    ------
    DataError
        A file is there, or cannot be written.
    """
    key, public = Ed25519PrivateKey.generate(), path.with_name(path.name + ".pub")
    make_folder(path.parent)
    _write_new(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    _write_new(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    return public


class Sealer:
    """Seals the log of a gate, when asked, or every so often and at the end.

    A last line of the journal that was cut off, as by a power cut, is set aside before the next one: it is an alert.

    Parameters
    ----------
    key : file of the private key.
    path : journal of the seals, on another disk than the log if it shall tell of that one's loss.
    seconds : between seals, after ``start``.

    Raises
    ------
    DataError
        The key or the journal cannot be read.
    InputError
        Others may read the key.
    """

    def __init__(
        self,
        gate: Gate,
        key: Path,
        path: Path,
        *,
        seconds: float = 60.0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._gate, self._key, self._path, self._seconds = gate, _private_key(key), path, seconds
        self._clock = clock
        seals = read_seals(path, self._key.public_key())
        self._number = seals[-1].number if seals else 0
        self._noted = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sealer", daemon=True)

    def start(self) -> None:
        """Go on in the background; a seal that cannot be written is an alert."""
        self._thread.start()

    def seal(self) -> Seal | None:
        """Seal the log as it is on disk now; None where nothing came since the last seal.

        Raises
        ------
        DataError
            The journal cannot be written, or was damaged meanwhile.
        ClosedError, StoreError
            The gate takes nothing any more, or did not take the note.
        """
        # Known when it is on disk, so no seal is of rows that were never written.
        seq, head = self._gate.do(lambda books: (books.changes.chain.seq, books.changes.chain.head))
        if seq == self._noted:
            return None
        seal = Seal(self._number + 1, seq, head, stamp(self._clock()))
        signature = base64.b64encode(self._key.sign(seal.message())).decode()
        if (aside := set_aside_torn(self._path)) is not None:
            text = f"its last line was cut off, as by a power cut, and is in {aside}; sealing goes on"
            self._gate.do(lambda books: books.note("seal", str(self._path), text))
        append_lines(self._path, [{**asdict(seal), "signature": signature}])
        self._number = seal.number
        noted = self._gate.do(lambda books: _note(books, seal))
        # What came between the two is not sealed yet.
        self._noted = noted if noted == seq + 1 else 0
        return seal

    def close(self) -> None:
        """Seal once more, and end; before the gate does."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        self._seal_or_tell()

    def _run(self) -> None:
        while not self._ending.wait(self._seconds) and self._gate.open:
            self._seal_or_tell()

    def _seal_or_tell(self) -> None:
        with suppress(ClosedError, StoreError, FencedError):
            try:
                self.seal()
            except DataError as error:
                text = str(error)
                self._gate.do(lambda books: books.note("seal", str(self._path), text))


def read_seals(path: Path, public: "Ed25519PublicKey | Path") -> list[Seal]:
    """Seals whose signatures were verified, in order; none where there is no file.

    A last line that was not written to its end, as ``storage.journal.torn_line`` has it, is no seal.

    Raises
    ------
    DataError
        A line was changed or taken out, or signed with another key; or the key cannot be read.
    """
    key = _public_key(public) if isinstance(public, Path) else public
    seals: list[Seal] = []
    for number, record in enumerate(read_lines(path, torn=True), 1):
        try:
            seal = Seal(record["number"], record["seq"], record["head"], record["time"])
            key.verify(base64.b64decode(record["signature"], validate=True), seal.message())
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"line {number} of {path} is no seal; restore the file from a copy.") from error
        except InvalidSignature as error:
            raise DataError(
                f"seal {number} of {path} was not signed with this key; give the key that it was made with, or restore "
                "the file from a copy."
            ) from error
        if seal.number != number:
            raise DataError(f"line {number} of {path} is seal {seal.number}; restore the file from a copy.")
        seals.append(seal)
    return seals


def unsealed(seals: Sequence[Seal], path: Path, replay: Replay) -> list[Finding]:
    """What seals say against a log that was replayed ``at`` their rows; nothing where they agree."""
    if not seals:
        return [Finding(0, "seals", f"{path} is not there or empty; the log speaks of {replay.seals:,}")]
    found = [Finding(seal.seq, "seals", wrong) for seal in seals if (wrong := _against(seal, replay))]
    if replay.seals > (last := seals[-1].number):
        text = f"{path} ends with seal {last:,}, and the log speaks of {replay.seals:,}: the seals were cut off"
        found.append(Finding(0, "seals", text))
    return found


def _against(seal: Seal, replay: Replay) -> str:
    made = f"seal {seal.number:,} of {seal.time}"
    head = replay.heads.get(seal.seq)
    if head is None:
        return f"{made} is of this row, and the log ends at row {replay.seq:,}: its end was cut off"
    if head != seal.head:
        return f"its hash is {head[:12]}, and {made} has {seal.head[:12]}: the log was written anew"
    return ""


def _note(books: Books, seal: Seal) -> int:
    body = {"number": seal.number, "seq": seal.seq, "head": seal.head}
    books.changes.log(books.now(), _SEALER, "seal", "", body)
    return books.changes.chain.seq


def _private_key(path: Path) -> Ed25519PrivateKey:
    content = _content(path)
    if (mode := path.stat().st_mode & 0o077) != 0:
        raise InputError(f"others may read the key {path} (mode {mode | 0o600:04o}); chmod 600 it.")
    with suppress(ValueError, TypeError):
        key = load_pem_private_key(content, password=None)
        if isinstance(key, Ed25519PrivateKey):
            return key
    raise DataError(f"{path} holds no private key of Ed25519; make one with `quantray audit keys`.")


def _public_key(path: Path) -> Ed25519PublicKey:
    content = _content(path)
    with suppress(ValueError, TypeError):
        key = load_pem_public_key(content)
        if isinstance(key, Ed25519PublicKey):
            return key
    raise DataError(f"{path} holds no public key of Ed25519; `quantray audit keys` writes one beside the private one.")


def _content(path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        raise DataError(f"the key {path} cannot be read: {reason(error)}.") from error


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        try:
            os.write(handle, content)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise DataError(f"cannot write {path}: {reason(error)}; a key is never written over.") from error
