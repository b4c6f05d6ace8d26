import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import psutil
import pytest
from small_books import small_book

from quantray.errors import InputError
from quantray.serving.auth import KeyRing
from quantray.serving.client import Client, ServiceError
from quantray.serving.publish import Shelf
from quantray.serving.schemas import OptimiseRequest, ScheduleRequest
from quantray.serving.settings import ServiceSettings

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def running(ray_cluster, free_ports, tmp_path_factory):
    """Address, shelf and a key of a service on Ray Serve."""
    from quantray.research.terms import ClusterSettings
    from quantray.serving.deployment import served

    folder = tmp_path_factory.mktemp("service")
    settings = ServiceSettings(
        books=str(folder / "books"),
        keys=str(folder / "keys"),
        port=free_ports(1)[0],
        poll_seconds=0.05,
        stale_after_hours=1e6,
        what_if_seconds=20,
    )
    shelf = Shelf.at(settings.books)
    shelf.publish(small_book())
    key = KeyRing(folder / "keys").create("desk", ["read", "what-if"]).text
    with served(settings, ClusterSettings(kind="local", cpus=2)):
        yield f"http://127.0.0.1:{settings.port}", shelf, key


def until(call, wanted, seconds=120.0):
    """Waits for what a call returns to be what is wanted."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            last = call()
        except ServiceError as error:
            last = error
        if last == wanted:
            return
        time.sleep(0.05)
    raise AssertionError(f"the last was {last!r}")


def test_books_are_served_and_followed(running):
    address, shelf, key = running
    with Client(address, key) as client:
        assert client.portfolio().version == small_book().version
        later = small_book(date(2024, 4, 1), nav=2e6)
        shelf.publish(later)
        until(lambda: client.portfolio().version, later.version)
        assert len(client.history()) == 2


def test_many_what_ifs_are_answered_or_sent_away_and_reads_go_on(running):
    address, _, key = running
    request = OptimiseRequest(alpha={"CCC": 0.01}, max_weight=0.5)

    def ask(_):
        with Client(address, key, seconds=60) as client:
            try:
                return 200, client.optimise(request)
            except ServiceError as error:
                return error.status, None

    with ThreadPoolExecutor(12) as threads, Client(address, key) as reader:
        asked = [threads.submit(ask, n) for n in range(12)]
        assert reader.portfolio().version
        answers = [each.result(timeout=600) for each in asked]
    assert {status for status, _ in answers} <= {200, 503}
    assert any(status == 200 for status, _ in answers)
    # From 0.3 to 0.4 of two millions, at 20 a share, of whichever replica has followed the later book.
    with Client(address, key, seconds=60) as client:
        wanted = ScheduleRequest(weights={"BBB": 0.4})
        until(lambda: client.schedule(wanted).parents[0].shares, 10_000)


def test_a_replica_that_is_killed_comes_back(running):
    address, _, key = running
    replicas = [p for p in psutil.process_iter(["cmdline"]) if "Books" in " ".join(p.info["cmdline"] or [])]
    ours = [p for p in replicas if p.ppid() and os.getpid() in {each.pid for each in p.parents()}]
    assert len(ours) == 1
    ours[0].send_signal(signal.SIGKILL)
    with Client(address, key, seconds=5) as client:
        until(lambda: client.portfolio().version, small_book(date(2024, 4, 1), nav=2e6).version)


def test_a_wrong_key_is_refused_there_too(running):
    address, _, _ = running
    with Client(address, "00000000.wrong") as client, pytest.raises(ServiceError, match="401"):
        client.portfolio()


def test_a_deployment_file_is_checked():
    from quantray.serving.deployment import make_deployment

    with pytest.raises(InputError, match="wine"):
        make_deployment({"wine": 1})
