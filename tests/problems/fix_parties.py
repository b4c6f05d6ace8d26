"""Who speaks FIX in tests: a venue's door, gateways to it, and a party that writes and reads its bytes by hand."""

import re
import socket
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

from quantray.oms.fixing.engine import Session
from quantray.oms.gateways.fix import FixGateway

SOH = b"\x01"
WAIT = 20.0
"""Seconds in which something has to happen that does."""


def free_port():
    """A port of this machine that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def session(folder, port, **changes):
    """Of a client of the venue."""
    given = {"role": "initiator", "host": "127.0.0.1", "sender": "QUANTRAY", "target": "VENUE", "heartbeat": 1}
    return Session(**given | {"folder": folder, "port": port} | changes)


class Heard:
    """Takes reports, and waits until enough came."""

    def __init__(self):
        self.reports, self._news = [], threading.Condition()

    def __call__(self, reports):
        with self._news:
            self.reports += reports
            self._news.notify_all()

    def until(self, enough):
        """All reports, when they are enough."""
        with self._news:
            assert self._news.wait_for(lambda: enough(self.reports), WAIT), self.reports
            return list(self.reports)

    def told(self, kind, order):
        """The first report of a kind of an order, when it is here."""
        found = self.until(lambda reports: any((r.kind, r.order) == (kind, order) for r in reports))
        return next(r for r in found if (r.kind, r.order) == (kind, order))


@contextmanager
def gateway_to(folder, port, *, after=0, sink=None, **more):
    """A gateway that is logged on, and what it hears."""
    gateway, heard = FixGateway(session(folder, port), **more), sink or Heard()
    try:
        gateway.listen(heard, after)
        assert gateway.wait_ready(WAIT)
        yield gateway, heard
    finally:
        gateway.close()


def message(kind, number, body="", *, sender="QUANTRAY", target="VENUE", ago=0.0, checksum=None):
    """The bytes of a message; its body as ``11=a|55=AAA``."""
    now = datetime.fromtimestamp(time.time() - ago, UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
    head = f"35={kind}|49={sender}|56={target}|34={number}|52={now}|"
    content = (head + (f"{body}|" if body else "")).replace("|", "\x01").encode()
    whole = b"8=FIX.4.2\x019=%d\x01" % len(content) + content
    total = sum(whole) % 256 if checksum is None else checksum
    return whole + b"10=%03d\x01" % total


class Party:
    """One end of a connection, by hand; all it reads is checked for its form."""

    def __init__(self, connection):
        self._connection, self._read = connection, b""
        self.time = ""
        """SendingTime of the last message."""
        connection.settimeout(WAIT)

    def says(self, *args, **more):
        self._connection.sendall(message(*args, **more))

    def hears(self):
        """The next message as ``35=A|34=1|...`` without length, time and sum, which are checked; None at the end."""
        while not (found := re.match(rb"8=FIX\.4\.2\x019=(\d+)\x01", self._read)) or not self._whole(found):
            try:
                part = self._connection.recv(65536)
            except ConnectionResetError:
                part = b""
            if not part:
                assert self._read == b""
                return None
            self._read += part
        end = found.end() + int(found[1])
        raw, self._read = self._read[: end + 7], self._read[end + 7 :]
        assert raw[end:] == b"10=%03d\x01" % (sum(raw[:end]) % 256)
        text = raw[found.end() : end].replace(SOH, b"|").decode()
        (self.time,) = re.findall(r"\|52=(\d{8}-\d\d:\d\d:\d\d\.\d{3,6})(?=\|)", text)
        return text.replace(f"|52={self.time}", "").removesuffix("|")

    def close(self):
        self._connection.close()

    def next_of(self, kind):
        """The next message of a type, past others."""
        while (heard := self.hears()) is not None:
            if heard.startswith(f"35={kind}|"):
                return heard
        raise AssertionError(f"the connection ended before a message of type {kind}")

    def _whole(self, found):
        return len(self._read) >= found.end() + int(found[1]) + 7


@contextmanager
def called(port):
    """A party that has connected."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT) as connection:
        yield Party(connection)
