"""The door of a gate: a socket that only its user opens, and the desk of another process behind it.

One line of JSON is a request, one its answer, in turn.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from quantray.errors import DataError, InputError, QuantrayError, reason
from quantray.institution.approvals import LimitChange
from quantray.institution.overrides import Override
from quantray.oms.block_records import Block, BlockDecision, BlockStatus
from quantray.oms.blocks import PreTrade
from quantray.oms.books import SYSTEM, Books
from quantray.oms.changes import Actor
from quantray.oms.database import GateOpenError, StoreError
from quantray.oms.desk import Child, LocalDesk, Parent
from quantray.oms.gate import ClosedError, Gate
from quantray.oms.messages import Decision, NewOrder, Report, is_name
from quantray.oms.reconcile import Break
from quantray.oms.settling import Settlement
from quantray.oms.states import State

__all__ = ["Door", "RemoteDesk"]

_LONGEST_LINE = 64 << 20
_LONGEST_NAME = 80
_USER = "uid "
"""Before the number of a user of this machine."""
_ORDERS = TypeAdapter(tuple[NewOrder, ...])
_NAMES = TypeAdapter(tuple[str, ...])
_PARENTS = TypeAdapter(tuple[Parent, ...])
_CHILDREN = TypeAdapter(tuple[Child, ...])
_DECISIONS = TypeAdapter(tuple[Decision, ...])
_MARKS = TypeAdapter(dict[str, int])
_BREAKS = TypeAdapter(tuple[Break, ...])
_FILLS = TypeAdapter(tuple[Report, ...])
_BLOCK = TypeAdapter(Block)
_BLOCK_DECISION = TypeAdapter(BlockDecision)
_STATUSES = TypeAdapter(tuple[BlockStatus, ...])
_SETTLEMENT = TypeAdapter(Settlement)
_CHANGE = TypeAdapter(LimitChange)
_LIMIT = TypeAdapter(tuple[str, str, str])
_ACTOR = TypeAdapter(Actor)


class Door:
    """Lets other processes of the same user to a gate, through a socket, until ``close``.

    Parameters
    ----------
    path : of the socket, which is made with mode 0600; at most 100 letters.
    compare : compares positions and cash with the venue's.
    settle : settles an order by hand.
    between : seconds between two comparisons, in which what was filled is reported.
    restrictions : as of ``LocalDesk``.

    Raises
    ------
    InputError
        The path is too long.
    DataError
        The socket cannot be made.
    """

    def __init__(
        self,
        gate: Gate,
        path: Path,
        *,
        compare: Callable[[], Sequence[Break]] = list,
        settle: Callable[[Actor, Settlement], State] | None = None,
        between: float = 0.0,
        restrictions: Sequence[PreTrade] = (),
    ) -> None:
        self._gate, self._path, self._compare, self._settle = gate, path, compare, settle
        self._between, self._restrictions = between, tuple(restrictions)
        if len(os.fsencode(path)) > 100:
            raise InputError(f"{path} is too long for a socket; choose a shorter folder.")
        _free(path)
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            path.unlink(missing_ok=True)
            mask = os.umask(0o177)
            try:
                self._socket.bind(str(path))
            finally:
                os.umask(mask)
            self._socket.listen(64)
        except OSError as error:
            self._socket.close()
            raise DataError(f"no socket can be made at {path}: {reason(error)}; choose another folder.") from error
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, name="door", daemon=True).start()

    def status(self) -> dict[str, Any]:
        """What the gate says of itself."""
        return self._gate.do(_status) | {"epoch": self._gate.epoch, "orders": self._gate.counts()}

    def compare(self) -> Sequence[Break]:
        """Where positions and cash differ from the venue's, after a second look."""
        self._compare()
        time.sleep(self._between)
        return self._compare()

    def settle(self, desk: LocalDesk, given: Settlement) -> State:
        """Settle an order by hand, as whoever came in; raises ``InputError``."""
        if self._settle is None:
            raise InputError("this gate has no way to a venue, which has to be asked first.")
        return self._settle(desk.actor, given)

    def close(self) -> None:
        """Let nobody in any more."""
        for each in (self._socket, *self._open):
            # A thread that waits in accept or recv is woken by the first, not by the second.
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self._open.add(client)
            threading.Thread(target=self._serve, args=(client,), name="desk", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        desk = LocalDesk(self._gate, Actor(f"{_USER}{_user_of(client)}"), restrictions=self._restrictions)
        try:
            with client, client.makefile("rb") as lines:
                while line := lines.readline(_LONGEST_LINE):
                    client.sendall(_answered(desk, self, line))
        except OSError:
            pass
        finally:
            self._open.discard(client)


class RemoteDesk:
    """A desk in another process, at a gate's door; connects when it is first used, and anew after a loss.

    Parameters
    ----------
    path : of the door's socket.
    timeout : seconds that an answer may take.
    actor : for whom it asks; by default for the user of this process, who may do everything.
    """

    def __init__(self, path: Path, *, timeout: float = 30.0, actor: Actor | None = None) -> None:
        self._path, self._timeout, self._actor = path, timeout, actor
        self._socket: socket.socket | None = None
        self._lines: Any = None

    def submit(self, orders: Sequence[NewOrder]) -> Sequence[Decision]:
        """See ``Desk``."""
        return _DECISIONS.validate_python(self._asked("submit", [_plain(order) for order in orders]))

    def cancel(self, orders: Sequence[str]) -> None:
        """See ``Desk``."""
        self._asked("cancel", list(orders))

    def add_parents(self, parents: Sequence[Parent]) -> None:
        """See ``Desk``."""
        self._asked("add_parents", [asdict(parent) for parent in parents])

    def children(self, parents: Sequence[str]) -> Sequence[Child]:
        """See ``Desk``."""
        return _CHILDREN.validate_python(self._asked("children", list(parents)))

    def fills(self, parents: Sequence[str]) -> Sequence[Report]:
        """See ``Desk``."""
        return _FILLS.validate_python(self._asked("fills", list(parents)))

    def place_block(self, block: Block) -> BlockDecision:
        """See ``Desk``."""
        return _BLOCK_DECISION.validate_python(self._asked("place_block", asdict(block.with_numbers())))

    def allocate_block(self, block: str) -> BlockStatus:
        """See ``Desk``."""
        (found,) = _STATUSES.validate_python([self._asked("allocate_block", block)])
        return found

    def reallocate_block(self, block: str, reason: str, onto: str) -> BlockStatus:
        """See ``LocalDesk``."""
        asked = {"block": block, "reason": reason, "onto": onto}
        (found,) = _STATUSES.validate_python([self._asked("reallocate_block", asked)])
        return found

    def blocks(self, names: Sequence[str] | None = None) -> Sequence[BlockStatus]:
        """See ``Desk``."""
        return _STATUSES.validate_python(self._asked("blocks", None if names is None else list(names)))

    def propose_change(
        self, name: str, limit: tuple[str, str, str], value: int, *, reason: str, hours: int
    ) -> LimitChange:
        """See ``LocalDesk``."""
        asked = {"name": name, "limit": list(limit), "value": value, "reason": reason, "hours": hours}
        return _CHANGE.validate_python(self._asked("propose_change", asked))

    def decide_change(self, name: str, *, approve: bool) -> LimitChange:
        """See ``LocalDesk``."""
        return _CHANGE.validate_python(self._asked("decide_change", {"name": name, "approve": approve}))

    def sign_override(self, asked: Override) -> Override:
        """See ``LocalDesk``."""
        return Override.model_validate(self._asked("sign_override", asked.model_dump(mode="json")))

    def switch(self, scope: str, key: str, *, on: bool) -> None:
        """Halt or resume; raises ``InputError``."""
        self._asked("switch", {"scope": scope, "key": key, "on": on})

    def status(self) -> Mapping[str, Any]:
        """What the gate says of itself."""
        found: Mapping[str, Any] = self._asked("status", None)
        return found

    def reconcile(self) -> Sequence[Break]:
        """Where positions and cash differ from the venue's."""
        return _BREAKS.validate_python(self._asked("reconcile", None))

    def settle(self, given: Settlement) -> State:
        """Settle an order by hand that its venue does not settle; raises ``InputError``."""
        return State(self._asked("settle", asdict(given)))

    def marks(self) -> Mapping[str, int]:
        """The prices that the gate reckons with, in units of money."""
        return _MARKS.validate_python(self._asked("marks", None))

    def set_marks(self, marks: Mapping[str, int]) -> None:
        """Set them; raises ``InputError``."""
        self._asked("set_marks", dict(marks))

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._lines.close()
            self._socket.close()
            self._socket = None

    def _asked(self, verb: str, what: object) -> Any:
        try:
            if self._socket is None:
                self._connect()
            assert self._socket is not None
            whose = {} if self._actor is None else {"as": asdict(self._actor)}
            self._socket.sendall(json.dumps({"do": verb, "with": what, **whose}).encode() + b"\n")
            line = self._lines.readline()
        except OSError as error:
            self.close()
            raise ClosedError(f"there is no gate at {self._path}: {reason(error)}; start one.") from error
        if not line.endswith(b"\n"):
            self.close()
            raise ClosedError(f"the gate at {self._path} hung up.")
        answer = json.loads(line)
        if "error" in answer:
            raise _ERRORS.get(answer["error"], QuantrayError)(answer["text"])
        return answer["is"]

    def _connect(self) -> None:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(self._timeout)
        try:
            made.connect(str(self._path))
        except OSError:
            made.close()
            raise
        self._socket, self._lines = made, made.makefile("rb")


_ERRORS: Mapping[str, type[QuantrayError]] = {
    "InputError": InputError,
    "ClosedError": ClosedError,
    "StoreError": StoreError,
}


def _free(path: Path) -> None:
    """Raise where a path is no socket, or one behind which somebody listens."""
    if not path.exists() and not path.is_symlink():
        return
    if not path.is_socket() or path.is_symlink():
        raise InputError(f"{path} is there and no door of a gate; name another file.")
    with socket.socket(socket.AF_UNIX) as trial:
        trial.settimeout(1.0)
        if trial.connect_ex(str(path)) == 0:
            raise GateOpenError(f"a gate listens at {path} already; end it, or choose another door.")


def _answered(desk: LocalDesk, door: Door, line: bytes) -> bytes:
    try:
        answer: dict[str, object] = {"is": _done(desk, door, line)}
    except QuantrayError as error:
        answer = {"error": type(error).__name__, "text": str(error)}
    return json.dumps(answer).encode() + b"\n"


def _done(desk: LocalDesk, door: Door, line: bytes) -> object:
    try:
        request = json.loads(line)
        verb, what = request["do"], request["with"]
        if "as" in request:
            desk = desk.of(_actor(_ACTOR.validate_python(request["as"])))
        if desk.actor.pm is not None and verb not in _OF_MANAGERS:
            raise InputError(f"portfolio managers do not {verb!r} here.")
        answer = _VERBS[verb](desk, door, what)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise InputError(f"a request is none: {str(error).splitlines()[0][:200]}") from error
    return [_plain(each) for each in answer] if isinstance(answer, list | tuple) else answer


def _plain(it: Any) -> dict[str, Any]:
    """What it holds, by name: of those that come in thousands without the copies that ``asdict`` makes."""
    names = _FLAT.get(type(it))
    return asdict(it) if names is None else {name: getattr(it, name) for name in names}


def _actor(given: Actor) -> Actor:
    """Whom somebody asks for who may do everything; never the gate itself, nor a user of this machine."""
    if not is_name(given.name, _LONGEST_NAME) or given.name == SYSTEM.name or given.name.startswith(_USER):
        raise InputError(f"{given.name[:_LONGEST_NAME]!r} is no name of a person to ask for.")
    if given.pm is not None and not is_name(given.pm):
        raise InputError(f"{given.pm[:_LONGEST_NAME]!r} is no portfolio manager.")
    return given


_FLAT = {kind: tuple(field.name for field in fields(kind)) for kind in (NewOrder, Decision, Child, Report)}
_Verb = Callable[[LocalDesk, Door, Any], object]
_OF_MANAGERS = frozenset(
    {"submit", "cancel", "add_parents", "children", "fills", "place_block", "allocate_block", "blocks", "marks"}
)
"""What a portfolio manager may ask for; everything else is for those who see the whole firm."""
_VERBS: Mapping[str, _Verb] = {
    "submit": lambda desk, door, what: desk.submit(_ORDERS.validate_python(what)),
    "cancel": lambda desk, door, what: desk.cancel(_NAMES.validate_python(what)),
    "add_parents": lambda desk, door, what: desk.add_parents(_PARENTS.validate_python(what)),
    "children": lambda desk, door, what: desk.children(_NAMES.validate_python(what)),
    "fills": lambda desk, door, what: desk.fills(_NAMES.validate_python(what)),
    "place_block": lambda desk, door, what: asdict(desk.take_block(_BLOCK.validate_python(what))),
    "allocate_block": lambda desk, door, what: asdict(desk.allocate_block(str(what))),
    "reallocate_block": lambda desk, door, what: asdict(
        desk.reallocate_block(str(what["block"]), str(what["reason"]), what["onto"])
    ),
    "blocks": lambda desk, door, what: desk.blocks(None if what is None else _NAMES.validate_python(what)),
    "propose_change": lambda desk, door, what: asdict(
        desk.propose_change(
            str(what["name"]),
            _LIMIT.validate_python(what["limit"]),
            what["value"],
            reason=str(what["reason"]),
            hours=int(what["hours"]),
        )
    ),
    "decide_change": lambda desk, door, what: asdict(
        desk.decide_change(str(what["name"]), approve=what["approve"] is True)
    ),
    "sign_override": lambda desk, door, what: desk.sign_override(Override.model_validate(what)).model_dump(mode="json"),
    "switch": lambda desk, door, what: desk.switch(str(what["scope"]), str(what["key"]), on=bool(what["on"])),
    "status": lambda desk, door, what: door.status(),
    "marks": lambda desk, door, what: desk.marks(),
    "set_marks": lambda desk, door, what: desk.set_marks(_MARKS.validate_python(what)),
    "reconcile": lambda desk, door, what: door.compare(),
    "settle": lambda desk, door, what: door.settle(desk, _SETTLEMENT.validate_python(what)).value,
}


def _status(books: Books) -> dict[str, Any]:
    return {
        "waiting": len(books.outgoing),
        "halted": sorted(f"{scope} {key}".strip() for scope, key in books.ledger.switches),
        "log": books.changes.chain.seq,
    }


def _user_of(client: socket.socket) -> int:
    credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(credentials[4:8], "little")
