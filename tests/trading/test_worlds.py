"""Worlds in processes of their own: one that goes wrong costs its own manager alone."""

import bad_worlds
import psutil
import pytest
from bad_worlds import small_day

from quantray.oms.replay import replay_database
from quantray.trading.day import Day, DaySettings
from quantray.trading.record import digests
from quantray.trading.worlds import Here, Processes


class Awaited(Processes):
    """Who is well has his time on any machine; once all have answered, nobody waits for the one that hangs."""

    asked = 0

    def ask(self, news, *, seconds):
        self.asked += 1
        left = set(news)
        for answer in super().ask(news, seconds=seconds):
            yield answer
            left.remove(answer.pm)
            if self.asked == bad_worlds.AT and left == {"pm002"}:
                # Asked again while it owes an answer, it is late.
                yield from super().ask({"pm002": news["pm002"]}, seconds=seconds)
                return


@pytest.mark.slow
def test_one_dies_one_hangs_one_floods_one_says_nonsense_and_the_others_trade_as_without_them(tmp_path):
    """The two that are left come to the same books, to the share, as in a day in which nobody goes wrong."""
    institution, market = small_day(6, accounts=1, strategies=2, minutes=30)
    with Here(Day(institution, market, tmp_path / "well").worlds) as worlds:
        well = Day(institution, market, tmp_path / "well").run(worlds)
    day = Day(institution, market, tmp_path / "ill", settings=DaySettings(seconds=60.0, patience=0))
    entry = {
        "pm001": bad_worlds.dies,
        "pm002": bad_worlds.hangs,
        "pm003": bad_worlds.floods,
        "pm004": bad_worlds.nonsense,
    }
    with Awaited(day.worlds, entry=entry) as worlds:
        ill = day.run(worlds)
        assert set(ill.memory) >= {"pm005", "pm006"}
    was, became = digests(institution, well), digests(institution, ill)
    assert [pm for pm in was if was[pm] != became[pm]] == ["pm001", "pm002", "pm003", "pm004"]
    assert {pm: next(iter(why)) for pm, why in ill.silent.items()} == {
        "pm001": "it died",
        "pm002": "late",
        "pm003": ill.silent["pm003"].most_common(1)[0][0],
        "pm004": "it says no decision: bar: Input should be a valid integer.",
    }
    # Its first words are none, or the next of them are there before they have been read.
    nonsense = "it says no decision: all of it: Invalid JSON: trailing characters at line 1 column 3."
    assert next(iter(ill.silent["pm003"])) in ("it speaks out of turn", nonsense)
    assert replay_database(day.database).findings == ()
    assert not [each for each in psutil.Process().children(recursive=True) if "world" in " ".join(each.cmdline())]


@pytest.mark.slow
def test_a_world_that_falls_behind_is_told_what_it_missed(tmp_path):
    """It answers too late and is heard again: no bar is left out of what it knows, and none of what it earned."""
    institution, market = small_day(1, accounts=1, strategies=1, minutes=30)
    day = Day(institution, market, tmp_path / "day", settings=DaySettings(seconds=2.0, patience=len(market.today)))
    with Processes(day.worlds, entry={"pm001": bad_worlds.falls_behind}) as worlds:
        outcome = day.run(worlds)
        assert worlds.memory()
    assert list(outcome.silent["pm001"]) == ["late"]


def test_worlds_here_are_ended_apart(tmp_path):
    """A bar that a world cannot take ends it, and no other."""
    institution, market = small_day(2, minutes=30)
    day = Day(institution, market, tmp_path / "day")
    with Here(day.worlds) as worlds:
        worlds.tell({"pm001": day.news("pm001", 0)})
        outcome = day.run(worlds)
    assert list(outcome.silent) == ["pm001"]
    assert "came late; the next one is 1" in next(iter(outcome.silent["pm001"]))
    assert any(block.pm == "pm002" for block in outcome.blocks)
    assert not any(block.pm == "pm001" for block in outcome.blocks)
