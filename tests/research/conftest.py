"""Services on this machine that answer as a test wants, or never."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Answers(BaseHTTPRequestHandler):
    """Answers with the server's status, and keeps silent where that is None and another path than health is asked."""

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.server.only_healthy and not self.path.endswith("/health"):
            self.server.closing.wait(60)
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Nothing on the terminal of the tests."""


@pytest.fixture
def server():
    """A web service: its ``uri``, the ``status`` that it answers with, and what it was ``asked``."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as made:
        made.uri, made.asked, made.status = f"http://127.0.0.1:{made.server_port}", [], 200
        made.only_healthy, made.closing = False, threading.Event()
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.closing.set()
        made.shutdown()
        thread.join()


@pytest.fixture
def silent():
    """host:port of a service that takes connections and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
