import os
import re
import signal
import subprocess
import sys

import httpx2 as httpx
import pytest
from paper_market import flat_bars, order, rules
from paper_server import answering

from quantray.errors import DataError, InputError
from quantray.oms.gateways.protocol import UnsureError
from quantray.oms.gateways.rest import RestGateway
from quantray.oms.paper.bars import write_bars
from quantray.oms.paper.book import Book
from quantray.oms.paper.faults import CRASHED
from quantray.oms.paper.serving import listening, locked_folder
from quantray.oms.states import State


def test_one_venue_a_folder(tmp_path):
    refused = pytest.raises(DataError, match="in use by another venue")
    with locked_folder(tmp_path / "state"), refused, locked_folder(tmp_path / "state"):
        pass
    with locked_folder(tmp_path / "state"):
        pass


def test_without_a_key_only_this_machine_is_let_in():
    with pytest.raises(InputError, match="would let everybody trade"):
        listening("0.0.0.0", 0, key=None)
    with listening("localhost", 0, key=None) as door, pytest.raises(DataError, match="cannot be listened on"):
        listening("127.0.0.1", door.getsockname()[1], key=None)


def test_bars_pass_with_time(tmp_path):
    with Book(flat_bars(), tmp_path / "book", rules=rules()) as book:
        book.submit([order("o")])
        with answering(book, bar_seconds=0.01) as address, httpx.Client(trust_env=False) as client:
            told = client.get(f"{address}/v1/reports?after=1&wait=20", timeout=30).json()["reports"]
        assert told[0]["kind"] == "fill"


class Venue:
    """A venue as a process of its own."""

    def __init__(self, folder):
        self.folder = folder

    def start(self, *options):
        command = [sys.executable, "-m", "quantray.cli", "venue", "start", "--port", "0"]
        where = ["--data", str(self.folder / "day.npz"), "--state", str(self.folder / "state")]
        self.process = subprocess.Popen([*command, *where, *options], stdout=subprocess.PIPE, text=True)
        self.address = re.search(r"http://[\d.:]+", self.process.stdout.readline())[0]
        return RestGateway(self.address, seconds=30.0)

    def end(self, number=signal.SIGKILL):
        os.kill(self.process.pid, number)
        code = self.process.wait(60)
        self.process.stdout.close()
        return code


def test_what_was_answered_is_there_after_a_kill(tmp_path):
    write_bars(flat_bars(), tmp_path / "day.npz")
    venue = Venue(tmp_path)
    gateway = venue.start("--faults", '{"crash": "after commit", "crash_after": 4}')
    gateway.send(order("a", 9000))
    gateway.send(order("b", 0))
    assert gateway.status("void", void=True) is None
    gateway.close()
    gateway = RestGateway(venue.address, seconds=30.0)
    # The fourth write is on disk when the process dies, and its answer is lost.
    with pytest.raises(UnsureError, match="ask what became of it"):
        gateway.send(order("c"))
    gateway.close()
    assert venue.process.wait(60) == CRASHED
    venue.process.stdout.close()
    gateway = venue.start()
    try:
        assert gateway.status("a", void=False).state is State.ACKED
        assert gateway.status("b", void=False).state is State.REJECTED
        assert gateway.status("c", void=True).state is State.ACKED
        with pytest.raises(UnsureError, match="void"):
            gateway.send(order("void"))
    finally:
        gateway.close()
        assert venue.end() == -signal.SIGKILL
