"""The journal of a search: everything comes back, damage is cut off and said, and half a line is no damage."""

import math

import pytest

from quantray.errors import DataError
from quantray.studies.tuning.journal import Journal, Shown

POINT = {"rate": 0.1 + 0.2, "width": 3, "kind": '"a"', "warm": True}


def shown(number, at, objective, **last):
    return Shown(
        number=number, round=at, objective=objective, note="", **({"finished": False, "stopped": False} | last)
    )


def written(folder):
    journal = Journal(folder, "s")
    journal.asked(1, POINT)
    journal.shown(shown(1, 1, 0.5))
    journal.asked(2, POINT | {"width": 4})
    journal.shown(shown(1, 2, 1 / 3, finished=True))
    journal.shown(shown(2, 1, -math.inf))
    return journal


def state(journal):
    return journal.events, journal.trials


def test_everything_comes_back(tmp_path, capsys):
    journal = written(tmp_path)
    again = Journal(tmp_path, "s")
    assert state(again) == state(journal)
    assert again.trials[1].point == POINT
    assert [each.objective for each in again.trials[1].rounds] == [0.5, 1 / 3]
    assert (again.trials[1].ended, again.trials[2].ended) == (True, False)
    assert again.trials[2].rounds[0].objective == -math.inf
    # It goes on where it was.
    again.shown(shown(2, 2, 0.1, stopped=True))
    again.asked(3, POINT)
    assert state(Journal(tmp_path, "s")) == state(again)
    assert Journal(tmp_path, "s").trials[2].ended
    assert capsys.readouterr().err == ""


def test_a_round_that_is_shown_again_is_noted_once(tmp_path):
    journal = written(tmp_path)
    journal.shown(shown(2, 1, 7.0))
    assert state(Journal(tmp_path, "s")) == state(written(tmp_path / "other"))


def test_half_a_line_is_that_of_a_search_that_was_killed(tmp_path, capsys):
    journal = written(tmp_path)
    content = journal.path.read_bytes()
    for size in (*range(0, len(content), 41), len(content) - 1):
        journal.path.write_bytes(content[:size])
        cut = Journal(tmp_path, "s")
        assert cut.events == journal.events[: len(cut.events)]
        assert content.startswith(cut.path.read_bytes())
    assert len(cut.events) == len(journal.events) - 1
    assert capsys.readouterr().err == ""


def test_any_bit_counts_and_what_follows_is_forgotten(tmp_path, capsys):
    journal = written(tmp_path)
    content = journal.path.read_bytes()
    for place in range(0, len(content), 19):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        journal.path.write_bytes(flipped)
        cut = Journal(tmp_path, "s")
        assert cut.events == journal.events[: len(cut.events)]
        assert len(cut.events) < len(journal.events)
        cut.asked(len(cut.trials) + 1, POINT)
    assert "is damaged in line 3; what the search did from there on is done again" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["swapped", "doubled", "left out", "of another search"])
def test_lines_stand_in_their_order(tmp_path, change, capsys):
    journal = written(tmp_path)
    lines = journal.path.read_bytes().splitlines(keepends=True)
    if change == "swapped":
        lines[2], lines[3] = lines[3], lines[2]
    elif change == "doubled":
        lines.insert(3, lines[2])
    elif change == "left out":
        del lines[2]
    journal.path.write_bytes(b"".join(lines))
    other = Journal(tmp_path, "another" if change == "of another search" else "s")
    assert len(other.events) == {"swapped": 1, "doubled": 2, "left out": 1, "of another search": 0}[change]
    assert "is damaged in line" in capsys.readouterr().err


def test_a_journal_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write .*journal.jsonl: "):
        Journal(tmp_path / "file", "s")
