"""Sessions of FIX 4.2 with the gate's process and with the venue's door, spoken by hand, number by number."""

import socket
from contextlib import closing, contextmanager, suppress

from fix_parties import WAIT, Heard, Party, free_port, session
from paper_market import flat_bars, rules

from quantray.oms.gateways.fix import FixGateway
from quantray.oms.paper.book import Book
from quantray.oms.paper.fix_door import FixDoor

ORDER = "11={name}|1=fund|21=1|55=AAA|54=1|60=20240328-13:30:00.000|38=100|40=1|59=0|100=NYSE"
ACKED = (
    "1=fund|6=0|11={name}|14=0|17={name}.acked.{count}|20=0|30=NYSE|37={name}|38=100|39=0|54=1|55=AAA"
    "|60=20240328-13:30:00.000|150=0|151=100"
)
FILL = (
    "37=v1|11={name}|17={name}.1|20=0|150=1|39=1|55=AAA|54=1|38=100|151=50|14=50|6=50|32=50|31=50|30=NYSE"
    "|60=20240328-13:30:00.000"
)


class Talk:
    """A session with one of ours, in which every message is numbered and compared."""

    kind: str
    body: str
    required: str
    """A field that its message must have."""

    def __init__(self, us, them, heartbeat):
        self.us, self.them, self.heartbeat = us, them, heartbeat
        self.ours = self.theirs = 1
        self.party = None

    def connect(self):
        raise NotImplementedError

    def says(self, kind, body="", number=None, **more):
        """A message under the next number, or another one that does not count."""
        self.party.says(
            kind, self.ours if number is None else number, body, **{"sender": self.us, "target": self.them} | more
        )
        self.ours += number is None

    def hears(self, kind, body=""):
        expected = f"35={kind}|34={self.theirs}|49={self.them}|56={self.us}" + (f"|{body}" if body else "")
        heard = self.party.hears()
        assert heard == expected, f"\n{heard}\n{expected}"
        self.theirs += 1

    def agrees(self):
        """Both are where they should be; all that was said before was dealt with."""
        self.says("1", "112=here")
        self.hears("0", "112=here")

    def is_left(self):
        """The other side has hung up."""
        assert self.party.hears() is None
        self.party.close()
        self.party = None

    def log_out(self):
        self.says("5")
        self.hears("5")
        self.is_left()

    def is_logged_out(self, text=""):
        """The other side logs out, and hangs up when that was answered."""
        self.hears("5", text)
        # It waits for two seconds, which may pass on a busy machine.
        with suppress(OSError):
            self.says("5")
        self.is_left()

    def sample(self, name):
        """A message of the application."""
        return self.kind, self.body.format(name=name)


class WithVenue(Talk):
    """The client at the venue's door."""

    kind, body, required = "D", ORDER, "55=AAA"

    def __init__(self, book, port, name, heartbeat):
        super().__init__("QUANTRAY", name, heartbeat)
        self.book, self.port, self.taken = book, port, 0

    def connect(self):
        self.party = Party(socket.create_connection(("127.0.0.1", self.port), timeout=WAIT))

    def log_on(self, **more):
        self.connect()
        self.says("A", f"98=0|108={self.heartbeat}", **more)
        self.hears("A", f"98=0|108={self.heartbeat}")

    def took(self, name):
        """The order is answered, and so was taken."""
        self.taken += 1
        self.hears("8", ACKED.format(name=name, count=self.taken))

    def has(self, name):
        return self.book.order(name) is not None


class WithGate(Talk):
    """The venue of a gate."""

    kind, body, required = "8", FILL, "37=v1"

    def __init__(self, listening, gateway, heard, heartbeat):
        super().__init__("VENUE", "QUANTRAY", heartbeat)
        self.listening, self.gateway, self.heard = listening, gateway, heard

    def connect(self):
        connection, _ = self.listening.accept()
        self.party = Party(connection)
        self.hears("A", f"98=0|108={self.heartbeat}")

    def log_on(self, **more):
        self.connect()
        self.says("A", f"98=0|108={self.heartbeat}", **more)

    def took(self, name):
        """The fill was given on, once."""
        found = self.heard.until(lambda reports: any(report.order == name for report in reports))
        assert [report.exec_id for report in found if report.order == name] == [f"{name}.1"]

    def has(self, name):
        return any(report.order == name for report in self.heard.reports)


def hung_up(talk):
    """A talk that leaves no connection, whatever becomes of it."""
    try:
        yield talk
    finally:
        if talk.party is not None:
            talk.party.close()


@contextmanager
def with_venue(folder, heartbeat=30, *, name="VENUE"):
    """A talk with a venue; two at a time in a process need two names."""
    port = free_port()
    with (
        Book(flat_bars(((50, 50, 50, 50),) * 4), folder / "book", rules=rules()) as book,
        FixDoor(book, folder / "door", port, sender=name, heartbeat=heartbeat),
    ):
        yield from hung_up(WithVenue(book, port, name, heartbeat))


@contextmanager
def with_gate(folder, heartbeat=30, **more):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(WAIT)
        given = session(folder / "fix", listening.getsockname()[1], heartbeat=heartbeat)
        heard = Heard()
        with closing(FixGateway(given, **more)) as gateway:
            gateway.listen(heard, 0)
            yield from hung_up(WithGate(listening, gateway, heard, heartbeat))
