"""Where what-ifs are computed, apart from what reads: so many at a time, each within some seconds."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from quantray.daily.book import Book
from quantray.serving.schemas import OptimiseRequest, ScheduleRequest
from quantray.serving.what_ifs.optimising import Weights, optimise
from quantray.serving.what_ifs.scheduling import Scheduling, schedule

__all__ = ["BusyError", "OnThreads", "Pool"]

R = TypeVar("R")


class BusyError(Exception):
    """As many what-ifs are computed and wait as may; ``seconds`` says when to come again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Pool(Protocol):
    """Where what-ifs are computed, apart from what reads."""

    async def optimise(self, book: Book, request: OptimiseRequest) -> Weights:
        """As ``optimising.optimise``, or ``BusyError``."""
        ...

    async def schedule(self, book: Book, request: ScheduleRequest) -> Scheduling:
        """As ``scheduling.schedule``, or ``BusyError``."""
        ...


class OnThreads:
    """What-ifs on threads of this process, so that reads go on beside them.

    Parameters
    ----------
    at_a_time : that are computed; as many again wait, and who comes then is sent away.
    seconds : after which whoever waits is sent away. What is being computed goes on, and counts, until it is done.
    """

    def __init__(self, at_a_time: int, seconds: float) -> None:
        self._threads = ThreadPoolExecutor(at_a_time, thread_name_prefix="what-if")
        self._most, self._seconds, self._taken = 2 * at_a_time, seconds, 0

    async def optimise(self, book: Book, request: OptimiseRequest) -> Weights:
        """See ``Pool``; raises as ``compute``."""
        return await self.compute(lambda: optimise(book, request))

    async def schedule(self, book: Book, request: ScheduleRequest) -> Scheduling:
        """See ``Pool``; raises as ``compute``."""
        return await self.compute(lambda: schedule(book, request))

    async def compute(self, work: Callable[[], R]) -> R:
        """The result of some work.

        Raises
        ------
        BusyError
            Too many wait, or it took too long.
        """
        if self._taken >= self._most:
            raise BusyError(int(self._seconds) + 1)
        self._taken += 1
        begun = time.monotonic()
        task = asyncio.get_running_loop().run_in_executor(self._threads, work)
        task.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._seconds)
        except TimeoutError:
            raise BusyError(max(1, int(time.monotonic() - begun))) from None

    def _done(self, task: "asyncio.Future[R]") -> None:
        self._taken -= 1
        if not task.cancelled():
            task.exception()
