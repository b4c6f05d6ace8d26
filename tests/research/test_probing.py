"""Services that answer, refuse, keep silent or are ill, asked in a moment."""

import contextlib
import socket
import threading

import pytest

from quantray.research.probing import address_of, trouble_at


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("http://me:secret@host:5000/mlflow/", "host:5000"),
        ("https://host", "host:443"),
        ("postgresql+psycopg2://me:secret@db/mlflow", "db:5432"),
        ("sqlite:////tmp/mlflow.db", None),
        ("databricks://profile", None),
        ("/tmp/mlruns", None),
    ],
)
def test_the_address_is_that_of_the_service_without_its_password(uri, found):
    address = address_of(uri)
    assert (None if address is None else str(address)) == found


def test_a_service_that_answers_is_asked_for_its_health(server):
    assert trouble_at(f"{server.uri}/prefix/") is None
    assert server.asked == ["/prefix/health"]
    # Whoever does not know the question is there all the same.
    server.status = 404
    assert trouble_at(server.uri) is None
    server.status = 503
    assert trouble_at(server.uri) == f"{address_of(server.uri)} answers with error 503"


def test_who_refuses_and_who_keeps_silent_is_known_in_a_moment(free_ports, silent):
    (port,) = free_ports(1)
    for uri in (f"http://me:secret@127.0.0.1:{port}", f"postgresql://me:secret@127.0.0.1:{port}/mlflow"):
        assert trouble_at(uri) == f"127.0.0.1:{port} does not answer ([Errno 111] Connection refused)"
    for scheme in ("http", "https"):
        assert "does not answer (" in trouble_at(f"{scheme}://{silent}", seconds=0.1)
    # Of a database it is seen that it takes the connection, not more.
    assert trouble_at(f"mysql://{silent}/mlflow", seconds=0.1) is None


def test_what_cannot_be_asked_has_no_trouble(monkeypatch, free_ports):
    assert trouble_at("sqlite:////tmp/mlflow.db") is None
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert trouble_at(f"http://elsewhere.example:{free_ports(1)[0]}") is None


@pytest.fixture
def dripping():
    """host:port of a service that gives its answer byte by byte, for five seconds."""
    over = threading.Event()

    def drip(listener):
        taken, _ = listener.accept()
        with taken, contextlib.suppress(OSError):
            taken.sendall(b"HTTP/1.1 200 OK\r\n")
            for byte in b"X-A: b\r\n" * 30:
                if over.wait(0.02):
                    return
                taken.sendall(bytes([byte]))
            taken.sendall(b"\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        over.set()
        thread.join()


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for(dripping):
    assert trouble_at(f"http://{dripping}", seconds=0.4) == f"{dripping} does not answer (timed out)"


def test_a_name_that_nobody_looks_up_is_not_waited_for(monkeypatch):
    over = threading.Event()

    def look_up(*_):
        over.wait(60)
        raise OSError("nobody knows it")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for scheme in ("http", "mysql"):
        assert "does not answer (timed out)" in trouble_at(f"{scheme}://name.example", seconds=0.1)
    over.set()
