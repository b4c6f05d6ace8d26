"""A door is its user's alone, says what is wrong, and takes nobody's place; what it answers is in ``test_desk``."""

import os
import stat
from contextlib import ExitStack, closing

import pytest
from desks import buy, gate_at

from quantray.errors import InputError
from quantray.oms.changes import Actor
from quantray.oms.database import GateOpenError
from quantray.oms.door import Door, RemoteDesk
from quantray.oms.gate import ClosedError


def test_the_door_is_its_users_alone_and_says_what_is_wrong(tmp_path):
    with gate_at(tmp_path) as gate:
        door, desk = Door(gate, tmp_path / "door"), RemoteDesk(tmp_path / "door")
        assert stat.S_IMODE(os.stat(tmp_path / "door").st_mode) == 0o600
        assert desk.status()["epoch"] == 1
        block = {"id": "K1", "symbol": "AAA", "side": "buy", "demands": {"A1": 1}}
        for rule in ({"method": "custom", "function": "os:getcwd"}, {"method": "fair"}):
            with pytest.raises(InputError, match="names a function; the gate runs none|a request is none"):
                desk._asked("place_block", block | {"rule": rule})
        for verb, what in [("nothing", []), ("submit", 3), ("cancel", {"a": 1}), ("switch", []), ("add_parents", [1])]:
            with pytest.raises(InputError, match="a request is none"):
                desk._asked(verb, what)
        door.close()
        with pytest.raises(ClosedError, match=r"the gate at .* hung up|there is no gate"):
            desk.status()
    with pytest.raises(ClosedError, match="there is no gate at"):
        RemoteDesk(tmp_path / "door").status()
    with pytest.raises(InputError, match="too long for a socket"):
        Door(gate, tmp_path / ("x" * 100))


def test_a_door_takes_nobodys_place(tmp_path):
    (tmp_path / "file").write_text("kept")
    with gate_at(tmp_path) as gate:
        with pytest.raises(InputError, match="is there and no door of a gate"):
            Door(gate, tmp_path / "file")
        assert (tmp_path / "file").read_text() == "kept"
        door = Door(gate, tmp_path / "door")
        with pytest.raises(GateOpenError, match="a gate listens at"):
            Door(gate, tmp_path / "door")
        desk = RemoteDesk(tmp_path / "door")
        assert desk.status()["epoch"] == 1
        desk.close()
        door.close()


def test_whoever_may_do_everything_asks_for_others_who_may_not(tmp_path):
    with gate_at(tmp_path) as gate, ExitStack() as desks:
        door = Door(gate, tmp_path / "door")

        def desk(*who):
            return desks.enter_context(closing(RemoteDesk(tmp_path / "door", actor=Actor(*who))))

        ann, bob, rita = desk("ann", "ann"), desk("bob", "bob"), desk("rita")
        assert ann.submit([buy("A1/1")])[0].accepted
        assert bob.submit([buy("A1/2")])[0].code == "account"
        for refused in (lambda: bob.cancel(["A1/1"]), lambda: bob.cancel(["A1/9"])):
            with pytest.raises(InputError, match="there is no order 'A1/[19]' of yours"):
                refused()
        limit = ("pm", "ann", "capital")
        for verb in (
            lambda: ann.switch("pm", "bob", on=True),
            lambda: ann.set_marks({"AAA": 1}),
            ann.status,
            ann.reconcile,
            lambda: ann.propose_change("C1", limit, 10**12, reason="more", hours=1),
            lambda: ann.decide_change("C1", approve=True),
        ):
            with pytest.raises(InputError, match="portfolio managers do not"):
                verb()
        assert rita.propose_change("C1", limit, 5, reason="less", hours=1).proposer == "rita"
        with pytest.raises(InputError, match="a second person must approve"):
            rita.decide_change("C1", approve=True)
        for name in ("gate", "uid 0", ""):
            with pytest.raises(InputError, match="is no name of a person"):
                desk(name).status()
        with pytest.raises(InputError, match="is no portfolio manager"):
            desk("ann", "").marks()
        door.close()
