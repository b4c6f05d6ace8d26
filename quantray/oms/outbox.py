"""The way out: what was put out is noted as sent, on disk, before a byte of it leaves.

Whatever surely never left is put out again, by any way that is ready. Whatever may have left is asked about, and never
sent again.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from quantray.oms.books import Books, Outgoing
from quantray.oms.gate import ClosedError, Gate
from quantray.oms.gateways.protocol import Gateway, NotSentError, UnsureError
from quantray.oms.messages import Route

__all__ = ["Outbox"]

_MOST = 64
"""Orders that are on their way at once; what was canceled meanwhile is then seen before the next."""


class Outbox:
    """Hands over what a gate puts out, until ``close``.

    Parameters
    ----------
    ways : gateways by route, the preferred one first.
    senders : messages that may be on their way at once.
    patience : seconds until what could not be handed over is tried again.
    """

    def __init__(self, gate: Gate, ways: Mapping[Route, Gateway], *, senders: int = 8, patience: float = 0.2) -> None:
        self._gate, self._ways, self._patience = gate, ways, patience
        self._pool = ThreadPoolExecutor(senders, thread_name_prefix="outbox")
        self._woken, self._ending = threading.Event(), threading.Event()
        gate.changed = self._woken.set
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End after what is on its way; what waits is handed over when there is an outbox again."""
        self._ending.set()
        self._woken.set()
        self._thread.join()
        self._pool.shutdown()

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._woken.clear()
                while not self._ending.is_set() and self._handed_over():
                    pass
                # The outbox may be left with something that no way was ready for.
                self._woken.wait(self._patience)
        except ClosedError:
            return

    def _handed_over(self) -> bool:
        """Hand over what waits; False where nothing could be."""
        waiting = self._gate.do(_first)
        by_route: dict[Route, list[int]] = {}
        for out, decided in waiting:
            route = decided or next((name for name, way in self._ways.items() if way.ready()), None)
            if route is not None and route in self._ways and self._ways[route].ready():
                by_route.setdefault(route, []).append(out.seq)
        moved = False
        for route, numbers in by_route.items():
            sent = self._gate.do(lambda books, n=numbers, r=route: books.handed(n, r))  # type: ignore[misc]
            # All of them have left, or failed to, before the next: a cancellation never overtakes its order.
            outcomes = self._pool.map(lambda out, r=route: self._handed(out, r), sent)
            moved = all(list(outcomes)) or moved
        return moved

    def _handed(self, out: Outgoing, route: Route) -> bool:
        way = self._ways[route]
        try:
            if out.action == "new":
                way.send(out.order)
            else:
                way.cancel(out.order)
        except NotSentError:
            self._gate.do(lambda books: books.unsent(out.order.id, out.action))
            return False
        except UnsureError as error:
            reason = str(error)[:200]
            self._gate.do(lambda books: books.unsure(out.order.id, reason))
        return True


def _first(books: Books) -> Sequence[tuple[Outgoing, Route | None]]:
    return [(out, books.ledger.orders[out.order.id].route) for out in islice(books.outgoing.values(), _MOST)]
