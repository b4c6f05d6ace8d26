import asyncio
import threading

import pytest

from quantray.serving.what_ifs.pool import BusyError, OnThreads


def test_who_comes_when_all_is_taken_is_sent_away_and_none_hangs():
    gate = threading.Event()

    async def twelve():
        pool = OnThreads(2, seconds=30.0)
        asked = [asyncio.create_task(pool.compute(gate.wait)) for _ in range(12)]
        await asyncio.sleep(0)
        sent_away = [task for task in asked if task.done()]
        gate.set()
        results = await asyncio.gather(*asked, return_exceptions=True)
        later = await pool.compute(lambda: "served")
        return len(sent_away), results, later

    sent_away, results, later = asyncio.run(twelve())
    assert sent_away == 8
    assert sum(result is True for result in results) == 4
    assert all(isinstance(result, BusyError) or result is True for result in results)
    assert later == "served"


def test_what_takes_too_long_is_given_up_and_holds_its_place_until_it_is_done():
    gate = threading.Event()

    async def slow():
        pool = OnThreads(1, seconds=0.01)
        for _ in range(2):
            with pytest.raises(BusyError):
                await pool.compute(gate.wait)
        with pytest.raises(BusyError):
            await pool.compute(lambda: "no place")
        gate.set()
        while pool._taken:
            await asyncio.sleep(0.001)
        return await pool.compute(lambda: "place again")

    assert asyncio.run(slow()) == "place again"
