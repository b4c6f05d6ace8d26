"""A paper venue that answers on loopback out of this process."""

import threading
from contextlib import contextmanager

from quantray.oms.paper.serving import listening, rest_server


@contextmanager
def answering(book, *, key=None, bar_seconds=None):
    """The address at which a book is served during a block."""
    with listening("127.0.0.1", 0, key=key) as door:
        server = rest_server(book, key=key, bar_seconds=bar_seconds)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{door.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(60)
            assert not thread.is_alive()
