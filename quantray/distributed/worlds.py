"""Managers' worlds as actors of a Ray cluster; see ``trading.worlds`` for what they owe one another."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

import ray
from ray.exceptions import RayActorError, RayError

from quantray.errors import first_line
from quantray.trading.world import World, WorldSettings
from quantray.trading.worlds import Answer, stepped

__all__ = ["ActorWorlds"]

_START = 120.0
"""Seconds that an actor has to begin."""


class _Actor:
    """One world in a worker of its own."""

    def __init__(self, settings: str) -> None:
        self._world = World(WorldSettings.model_validate_json(settings))

    def tell(self, raw: bytes) -> None:
        stepped(self._world, ("tell", raw))

    def ask(self, raw: bytes) -> bytes:
        return stepped(self._world, ("ask", raw))

    def memory(self) -> int:
        with open("/proc/self/statm", encoding="ascii") as lines:
            return int(lines.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class ActorWorlds:
    """Worlds of managers as Ray actors; connect to a cluster first.

    Parameters
    ----------
    cpus : of the cluster that each takes; below one, since worlds wait for one another's bars.
    """

    def __init__(self, settings: Sequence[WorldSettings], *, cpus: float = 0.1) -> None:
        self._settings, self._cpus = settings, cpus
        self._actors: dict[str, Any] = {}
        self._ended: dict[str, str] = {}
        self._owing: dict[str, ray.ObjectRef[bytes]] = {}
        self._held: dict[str, int] = {}

    def __enter__(self) -> Self:
        kind = ray.remote(_Actor)
        # One that dies stays dead: its manager is halted, and operations decide.
        options = {"num_cpus": self._cpus, "max_restarts": 0}
        self._actors = {each.pm: kind.options(**options).remote(each.model_dump_json()) for each in self._settings}
        begun = {actor.memory.remote(): pm for pm, actor in self._actors.items()}
        ready, late = ray.wait(list(begun), num_returns=len(begun), timeout=_START)
        for ref in ready:
            try:
                self._held[begun[ref]] = ray.get(ref)
            except RayError as error:
                self._ended[begun[ref]] = f"it did not begin: {first_line(error)}"
        for ref in late:
            self.stop(begun[ref], "it did not begin")
        return self

    def __exit__(self, *failure: object) -> None:
        for actor in self._actors.values():
            with suppress(RayError):
                ray.kill(actor)

    def tell(self, news: Mapping[str, bytes]) -> None:
        """See ``Worlds``; what a world could not take is heard when it is asked."""
        for pm, raw in news.items():
            if pm not in self._ended:
                self._actors[pm].tell.remote(raw)

    def ask(self, news: Mapping[str, bytes], *, seconds: float) -> Iterator[Answer]:
        """See ``Worlds``."""
        until, asked = time.monotonic() + seconds, {}
        for pm, raw in news.items():
            if self._still_owes(pm) and pm not in self._ended:
                self._actors[pm].tell.remote(raw)
                yield Answer(pm, silence="late")
            elif pm in self._ended:
                yield Answer(pm, silence=self._ended[pm])
            else:
                self._owing[pm] = self._actors[pm].ask.remote(raw)
                asked[self._owing[pm]] = pm
        while asked:
            ready, _ = ray.wait(list(asked), timeout=max(until - time.monotonic(), 0.0))
            if not ready:
                break
            for ref in ready:
                pm = asked.pop(ref)
                del self._owing[pm]
                yield self._answer(pm, ref)
        for pm in sorted(asked.values()):
            yield Answer(pm, silence="late")

    def stop(self, pm: str, why: str) -> None:
        """See ``Worlds``."""
        self._ended.setdefault(pm, why)
        with suppress(RayError):
            ray.kill(self._actors[pm])

    def memory(self) -> Mapping[str, int]:
        """Resident bytes of each when it began; Ray's own dashboard has them as they change."""
        return self._held

    def _still_owes(self, pm: str) -> bool:
        """Whether it has not answered an earlier bar; an answer that came too late is dropped."""
        ref = self._owing.get(pm)
        if ref is not None and ray.wait([ref], timeout=0)[0]:
            del self._owing[pm]
            return False
        return ref is not None

    def _answer(self, pm: str, ref: "ray.ObjectRef[bytes]") -> Answer:
        try:
            return Answer(pm, ray.get(ref))
        except RayActorError:
            self.stop(pm, "it died")
        except RayError as error:
            self.stop(pm, first_line(error))
        return Answer(pm, silence=self._ended[pm])
