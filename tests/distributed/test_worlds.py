"""Managers' worlds as Ray actors come to the same books as in one process, and one that dies hurts no other."""

import pytest
from bad_worlds import small_day

from quantray.trading.day import Day
from quantray.trading.record import digests
from quantray.trading.worlds import Here

pytestmark = pytest.mark.ray


def test_actors_trade_what_one_process_trades_and_one_that_dies_hurts_no_other(ray_cluster, tmp_path):
    import ray

    from quantray.distributed.worlds import ActorWorlds

    institution, market = small_day(2, accounts=1, strategies=2, minutes=30)
    here = Day(institution, market, tmp_path / "here")
    with Here(here.worlds) as worlds:
        alone = digests(institution, here.run(worlds))
    actors = Day(institution, market, tmp_path / "actors")
    with ActorWorlds(actors.worlds) as worlds:
        outcome = actors.run(worlds)
        assert set(outcome.memory) == set(institution.pms)
    assert digests(institution, outcome) == alone

    def kill(bar, outcome):
        if bar == 3:
            ray.kill(worlds._actors["pm001"])

    killed = Day(institution, market, tmp_path / "killed", told=kill)
    with ActorWorlds(killed.worlds) as worlds:
        outcome = killed.run(worlds)
    assert dict(outcome.silent["pm001"]) == {"it died": 1}
    assert digests(institution, outcome)["pm002"] == alone["pm002"]
