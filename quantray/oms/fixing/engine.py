"""A session of FIX 4.2 by QuickFIX, which does logon, heartbeats, test requests, sequence numbers, resend and gap fill.

Its callbacks copy a message and hand it on. QuickFIX would stand still for good, logged on and deaf, after one that
raises; so that ends the process, which must be one that may end. Nothing but this file knows QuickFIX, and it is loaded
when a session begins.
"""

import importlib.metadata
import importlib.util
import logging
import os
import re
import threading
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

from quantray.errors import DataError, InputError, first_line
from quantray.oms.fixing.fields import Fields, field, read_message
from quantray.storage.files import make_folder, write_atomically

__all__ = ["Engine", "Session", "require_quickfix"]

_LOG = logging.getLogger("quantray.oms")

T = TypeVar("T")

_TO_LOG_ON = 2.0
"""Seconds that a connection may take to log on; it may get twice as many."""
_FAILED = 70
"""Exit code after a callback that raised."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """Who speaks to whom, and when.

    Parameters
    ----------
    role : who connects is the initiator; the acceptor waits at a port, for this machine only.
    sender, target : CompIDs, ours and theirs.
    folder : of sequence numbers and messages that may be asked for again.
    heartbeat : seconds; a peer that is silent for 2.4 times as long is given up.
    opens, closes : HH:MM:SS, UTC; numbers begin anew at ``opens``. The same for both is the whole day.
    reconnect : seconds between tries.
    """

    role: Literal["initiator", "acceptor"]
    host: str
    port: int
    sender: str
    target: str
    folder: Path
    heartbeat: int = 30
    opens: str = "00:00:00"
    closes: str = "00:00:00"
    reconnect: int = 1


def require_quickfix() -> None:
    """Raise ``InputError`` where QuickFIX is not installed."""
    if importlib.util.find_spec("quickfix") is None:
        raise InputError("FIX needs QuickFIX, which is not installed; pip install 'quantray[fix]' (it compiles).")


class Engine:
    """A session until ``close``; its callbacks come from a thread of its own.

    Parameters
    ----------
    heard : takes what the other side said: messages of the application, and rejects of the session (3).
    takes : types of messages of the application that are heard; others are rejected (j).
    leaves : takes a message that is about to leave, with its header: of the application, and the logon (A) with which
        numbers begin anew.
    changed : told whether the session is logged on.
    waits : whether messages wait for the other side where it is not there, or asks for them again. Reports do; a
        request never does: it is refused, and where it was lost a gap is filled instead.

    Raises
    ------
    InputError
        QuickFIX is not installed.
    DataError
        The port or the folder cannot be used.
    """

    def __init__(
        self,
        session: Session,
        *,
        heard: Callable[[Fields], None],
        takes: Collection[str],
        leaves: Callable[[Fields], None] = lambda fields: None,
        changed: Callable[[bool], None] = lambda on: None,
        waits: bool = False,
    ) -> None:
        require_quickfix()
        import quickfix  # noqa: PLC0415  (an extra)

        self._quickfix, self._waits, self._takes = quickfix, waits, takes
        self._heard, self._leaves, self._changed = heard, leaves, changed
        self._on = self._passed = False
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="logons", daemon=True)
        self._lock = threading.Lock()
        make_folder(session.folder)
        file = session.folder / "session.cfg"
        write_atomically(file, _settings(session, waits=waits).encode())
        # All of these are referenced by QuickFIX without being kept alive by it.
        self._kept: list[Any] = [_application(quickfix, self), quickfix.SessionSettings(str(file))]
        self._kept.append(quickfix.FileStoreFactory(self._kept[1]))
        kind = quickfix.ThreadedSocketInitiator if session.role == "initiator" else quickfix.ThreadedSocketAcceptor
        self._id = quickfix.SessionID("FIX.4.2", session.sender, session.target)
        try:
            self._runs: Any = kind(self._kept[0], self._kept[2], self._kept[1])
            self._runs.start()
        except (quickfix.ConfigError, quickfix.RuntimeError) as error:
            where = f"{session.host}:{session.port}"
            raise DataError(f"FIX at {where} cannot begin: {first_line(error)}; choose another port.") from error
        if session.role == "acceptor":
            self._watcher.start()

    @property
    def logged_on(self) -> bool:
        """Whether both sides are logged on."""
        return self._on

    def send(self, fields: Fields) -> str:
        """Hand a message to the session: empty where that was done, else why surely nothing left."""
        quickfix = self._quickfix
        message = quickfix.Message()
        message.getHeader().setField(quickfix.MsgType(fields[0][1]))
        for tag, value in fields[1:]:
            message.setField(quickfix.StringField(tag, value))
        with self._lock:
            self._passed = False
            try:
                quickfix.Session.sendToTarget(message, self._id)
            except quickfix.SessionNotFound:
                return "there is no session"
            return "" if self._passed else "the session is not logged on"

    def cut(self) -> None:
        """End the connection without a word, as a network that fails."""
        session = self._quickfix.Session.lookupSession(self._id)
        if session is not None:
            session.disconnect()

    def close(self) -> None:
        """Log out and end."""
        self._ended.set()
        if self._watcher.ident is not None:
            self._watcher.join()
        self._runs.stop()
        # Its end is what frees the session for another one of the same names.
        self._runs = None
        self._kept.clear()

    def _watch(self) -> None:
        """End a connection that does not log on: one whose logon QuickFIX cannot read would keep everybody out."""
        session, held = self._quickfix.Session, False
        while not self._ended.wait(_TO_LOG_ON):
            before, held = held, session.isSessionRegistered(self._id) and not self._on
            if before and held:
                self.cut()

    # What QuickFIX calls.

    def state(self, on: bool) -> None:
        """The session was logged on, or out."""
        self._on = on
        self._changed(on)

    def take(self, text: str) -> bool:
        """A message of the application came; False where it is of a type that is not taken."""
        fields = read_message(text)
        if field(fields, 35) not in self._takes:
            return False
        self._heard(fields)
        return True

    def take_admin(self, text: str) -> None:
        """A message of the session came."""
        fields = read_message(text)
        kind, said = field(fields, 35), field(fields, 58, "")
        if kind == "3":
            self._heard(fields)
        elif kind == "5" and said:
            _LOG.warning("%s logs out: %s", field(fields, 49), said)

    def note_admin(self, text: str) -> None:
        """A message of the session is about to leave."""
        fields = read_message(text)
        if field(fields, 35) == "A" and field(fields, 34) == "1":
            self._leaves(fields)

    def let_go(self, text: str) -> bool:
        """Whether a message may leave now."""
        fields = read_message(text)
        again = (43, "Y") in fields
        if not self._waits and (again or not self._on):
            return False
        if not again:
            self._leaves(fields)
            self._passed = True
        return True


def _application(quickfix: ModuleType, engine: Engine) -> Any:
    class Application(quickfix.Application):  # type: ignore[misc,name-defined]
        def onCreate(self, session: Any) -> None:  # noqa: N802
            pass

        def onLogon(self, session: Any) -> None:  # noqa: N802
            _done(lambda: engine.state(True))

        def onLogout(self, session: Any) -> None:  # noqa: N802
            _done(lambda: engine.state(False))

        def toAdmin(self, message: Any, session: Any) -> None:  # noqa: N802
            _done(lambda: engine.note_admin(message.toString()))

        def fromAdmin(self, message: Any, session: Any) -> None:  # noqa: N802
            _done(lambda: engine.take_admin(message.toString()))

        def toApp(self, message: Any, session: Any) -> None:  # noqa: N802
            if not _done(lambda: engine.let_go(message.toString())):
                raise quickfix.DoNotSend

        def fromApp(self, message: Any, session: Any) -> None:  # noqa: N802
            if not _done(lambda: engine.take(message.toString())):
                raise quickfix.UnsupportedMessageType

    return Application()


def _done(called: Callable[[], T]) -> T:
    """What a callback gives; the end of the process where it raises."""
    try:
        return called()
    except BaseException:  # noqa: BLE001  (nobody above would hear of it)
        traceback.print_exc()
        os._exit(_FAILED)


def _settings(session: Session, *, waits: bool) -> str:
    where = (
        {"SocketConnectHost": session.host, "SocketConnectPort": session.port, "ReconnectInterval": session.reconnect}
        if session.role == "initiator"
        else {"SocketAcceptPort": session.port, "SocketReuseAddress": "Y", "AllowedRemoteAddresses": "127.0.0.1"}
    )
    lines = {
        "ConnectionType": session.role,
        "SenderCompID": session.sender,
        "TargetCompID": session.target,
        "HeartBtInt": session.heartbeat,
        "StartTime": session.opens,
        "EndTime": session.closes,
        "FileStorePath": session.folder / "messages",
        "DataDictionary": _dictionary(session.folder),
        # A request is never sent again, so it is not kept.
        "PersistMessages": "Y" if waits else "N",
        "ValidateUserDefinedFields": "N",
        "SocketNodelay": "Y",
        "TimestampPrecision": 6,
    }
    given = "".join(f"{name}={value}\n" for name, value in (lines | where).items())
    return f"[DEFAULT]\n{given}[SESSION]\nBeginString=FIX.4.2\n"


def _dictionary(folder: Path) -> Path:
    """What messages have: QuickFIX's own, but that a logon without a field is for the session to refuse.

    One that the dictionary refuses is not answered, and its connection would keep everybody else out.
    """
    for file in importlib.metadata.files("quickfix") or []:
        if file.name == "FIX42.xml":
            text = Path(str(file.locate())).read_text()
            head, logon, rest = re.split(r"(<message name='Logon'.*?</message>)", text, maxsplit=1, flags=re.DOTALL)
            own = folder / "FIX42.xml"
            write_atomically(own, (head + logon.replace("required='Y'", "required='N'") + rest).encode())
            return own
    raise InputError("this QuickFIX has no FIX42.xml; install it from its own package.")
