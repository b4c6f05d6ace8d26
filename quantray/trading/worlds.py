"""Worlds kept apart: each in a process of its own, asked about a bar all at once and given so long to answer.

One that dies, answers late, says what is no answer or speaks out of turn costs its own manager alone: it is heard no
more, and the others never wait for it beyond the deadline.
"""

import multiprocessing
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Literal, Protocol, Self

from quantray.errors import DataError
from quantray.trading.messages import LONGEST, as_bytes, read_news
from quantray.trading.world import World, WorldSettings

__all__ = ["Answer", "Here", "Processes", "Worlds", "serve", "stepped"]

_NICENESS = 5
_PATIENCE = 0.1
"""Seconds after which the next world is asked, though those before it have not answered."""
_GRACE = 5.0
"""Seconds that a process has to end by itself."""
_START = 120.0
"""Seconds that a process has to begin: it imports a good deal."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking a manager's world: bytes, or why there are none."""

    pm: str
    raw: bytes = b""
    silence: str = ""
    """Empty where it answered; ``late`` may still be asked again, any other one has ended."""


class Worlds(Protocol):
    """Worlds of several managers; use it as a context."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *failure: object) -> None: ...

    def tell(self, news: Mapping[str, bytes]) -> None:
        """Give each a bar that asks for no decision, such as those before the day."""

    def ask(self, news: Mapping[str, bytes], *, seconds: float) -> Iterator[Answer]:
        """Give each a bar, and yield answers as they come: one for each that was asked."""

    def stop(self, pm: str, why: str) -> None:
        """End a world that is not to be heard any more."""

    def memory(self) -> Mapping[str, int]:
        """Bytes that each holds, where that is known."""


Message = tuple[Literal["tell", "ask"], bytes]


def stepped(world: World, message: Message) -> bytes:
    """What a world answers to a message; empty where none is asked for."""
    kind, raw = message
    news = read_news(raw)
    if kind == "tell":
        world.take(news)
        return b""
    return as_bytes(world.decide(news))


class Here:
    """Worlds in this process, one after the other: for trials, and where nothing can hang."""

    def __init__(self, settings: Sequence[WorldSettings]) -> None:
        self._worlds = {each.pm: World(each) for each in settings}
        self._ended: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        return None

    def tell(self, news: Mapping[str, bytes]) -> None:
        """See ``Worlds``."""
        for pm, raw in news.items():
            self._step(pm, ("tell", raw))

    def ask(self, news: Mapping[str, bytes], *, seconds: float) -> Iterator[Answer]:
        """See ``Worlds``; nobody is late here."""
        for pm, raw in news.items():
            answer = self._step(pm, ("ask", raw))
            yield Answer(pm, answer, self._ended.get(pm, ""))

    def stop(self, pm: str, why: str) -> None:
        """See ``Worlds``."""
        self._ended.setdefault(pm, why)

    def memory(self) -> Mapping[str, int]:
        """Not known apart."""
        return {}

    def _step(self, pm: str, message: Message) -> bytes:
        if pm in self._ended:
            return b""
        try:
            return stepped(self._worlds[pm], message)
        except DataError as error:
            self.stop(pm, str(error))
            return b""


Entry = Callable[[Connection, str], None]
"""What a process does: its end of a pipe, and the settings of its world as JSON."""


def serve(pipe: Connection, settings: str) -> None:
    """A world at the other end of a pipe, until that closes."""
    # The gate comes first where there are more worlds than cores: what was decided waits for it alone.
    os.nice(_NICENESS)
    world = World(WorldSettings.model_validate_json(settings))
    pipe.send_bytes(b"ready")
    with suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        while True:
            raw = pipe.recv_bytes(LONGEST)
            kind: Literal["tell", "ask"] = "ask" if raw[:1] == b"?" else "tell"
            answer = stepped(world, (kind, raw[1:]))
            if kind == "ask":
                pipe.send_bytes(answer)


class Processes:
    """Worlds in processes of their own, started anew: they have nothing of this one but their settings.

    Parameters
    ----------
    entry : of some, in place of ``serve``: somebody's own world.
    """

    def __init__(self, settings: Sequence[WorldSettings], *, entry: Mapping[str, Entry] | None = None) -> None:
        self._settings, self._entry = settings, dict(entry or {})
        self._lines: dict[str, _Line] = {}
        self._cores, self._turn = len(os.sched_getaffinity(0)), -1

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        for each in self._settings:
            ours, theirs = context.Pipe()
            process = context.Process(
                target=self._entry.get(each.pm, serve),
                args=(theirs, each.model_dump_json()),
                name=f"world {each.pm}",
                daemon=True,
            )
            process.start()
            theirs.close()
            self._lines[each.pm] = _Line(each.pm, ours, process)
        for line in self._lines.values():
            line.begin()
        return self

    def __exit__(self, *failure: object) -> None:
        for line in self._lines.values():
            line.end("the day is over")
        for line in self._lines.values():
            line.wait()

    def tell(self, news: Mapping[str, bytes]) -> None:
        """See ``Worlds``."""
        for pm, raw in news.items():
            self._lines[pm].put(b"!" + raw)

    def ask(self, news: Mapping[str, bytes], *, seconds: float) -> Iterator[Answer]:
        """See ``Worlds``."""
        answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        until = time.monotonic() + seconds
        able: list[str] = []
        for pm, raw in news.items():
            line = self._lines[pm]
            if line.ended:
                yield Answer(pm, silence=line.ended)
            elif line.busy:
                # It still has to know of this bar when it is asked about the next one.
                line.put(b"!" + raw)
                yield Answer(pm, silence="late")
            else:
                able.append(pm)
        left = self._in_turn(able)
        waiting: set[str] = set()
        while left or waiting:
            # As many at once as there are cores: their answers then come one after the other, and wait for nobody's
            # orders. One that takes long keeps nobody from being asked.
            while left and len(waiting) < self._cores:
                self._put(left.popleft(), news, answers, waiting)
            now = time.monotonic()
            try:
                answer = answers.get(timeout=max(min(until - now, _PATIENCE if left else seconds), 0.0))
            except queue.Empty:
                if not left:
                    break
                self._put(left.popleft(), news, answers, waiting)
                continue
            waiting.discard(answer.pm)
            yield answer
        for pm in sorted(waiting):
            yield Answer(pm, silence="late")

    def _in_turn(self, pms: list[str]) -> deque[str]:
        """Each time another is the first."""
        self._turn += 1
        found = deque(pms)
        found.rotate(-self._turn)
        return found

    def _put(self, pm: str, news: Mapping[str, bytes], answers: "queue.SimpleQueue[Answer]", waiting: set[str]) -> None:
        waiting.add(pm)
        self._lines[pm].put(b"?" + news[pm], answers)

    def stop(self, pm: str, why: str) -> None:
        """See ``Worlds``."""
        self._lines[pm].end(why)

    def memory(self) -> Mapping[str, int]:
        """Resident bytes of each process that lives."""
        return {pm: held for pm, line in self._lines.items() if (held := line.memory())}

    def process_of(self, pm: str) -> int:
        """Number of a manager's process."""
        return self._lines[pm].process.pid or 0


class _Line:
    """The way to one world: a thread that speaks with it, so that nobody else waits for it."""

    def __init__(self, pm: str, pipe: Connection, process: multiprocessing.process.BaseProcess) -> None:
        self.pm, self.process, self.ended, self.busy = pm, process, "", False
        self._pipe = pipe
        self._inbox: queue.SimpleQueue[tuple[bytes, queue.SimpleQueue[Answer] | None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"line {pm}", daemon=True)

    def begin(self) -> None:
        """Wait until the world is there, and begin to speak with it."""
        try:
            if not self._pipe.poll(_START) or self._pipe.recv_bytes(64) != b"ready":
                self.end("it did not begin")
        except (EOFError, OSError):
            self.end("it died before it began")
        self._thread.start()

    def put(self, raw: bytes, answers: "queue.SimpleQueue[Answer] | None" = None) -> None:
        """Send something, and have the answer put where it is waited for."""
        if answers is not None:
            self.busy = True
        self._inbox.put((raw, answers))

    def end(self, why: str) -> None:
        """Hear it no more."""
        self.ended = self.ended or why
        if self.busy:
            # Whoever waits for its answer waits no longer.
            self.process.kill()
        self._inbox.put(None)

    def wait(self) -> None:
        """Until its process has ended, which is made sure of."""
        with suppress(OSError):
            self._pipe.close()
        self.process.join(_GRACE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def memory(self) -> int:
        """Resident bytes; 0 where it has ended."""
        try:
            with open(f"/proc/{self.process.pid}/status", encoding="ascii") as lines:
                return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)
        except OSError:
            return 0

    def _run(self) -> None:
        while not self.ended and (message := self._inbox.get()) is not None:
            raw, answers = message
            answer = self._spoken(raw, expected=answers is not None)
            self.busy = False
            if answer.silence:
                self.end(answer.silence)
            if answers is not None:
                answers.put(answer)
        if self.process.is_alive():
            self.process.kill()

    def _spoken(self, raw: bytes, *, expected: bool) -> Answer:
        try:
            self._pipe.send_bytes(raw)
            if not expected:
                return Answer(self.pm)
            said = self._pipe.recv_bytes(LONGEST)
            if self._pipe.poll(0):
                return Answer(self.pm, silence="it speaks out of turn")
        except EOFError:
            return Answer(self.pm, silence="it died")
        except OSError as error:
            return Answer(self.pm, silence=f"it cannot be heard: {error.strerror or 'too long an answer'}")
        return Answer(self.pm, said)
