"""Settings that name a user's code say what a job must carry."""

from pathlib import Path

import pytest

from quantray.distributed.packing import Packed, gathered, pack
from quantray.errors import InputError

RULE = "import helper_of_mine\n\ndef calm(returns):\n    return helper_of_mine.even(returns)\n"
HELPER = "def even(returns):\n    return [1 / returns.shape[1]] * returns.shape[1]\n"


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A user's folder on the path, with a module, one that it imports, and a package beside."""
    folder = tmp_path / "research"
    (folder / "more_of_mine").mkdir(parents=True)
    (folder / "rules_of_mine.py").write_text(RULE)
    (folder / "helper_of_mine.py").write_text(HELPER)
    (folder / "more_of_mine" / "__init__.py").write_text("")
    (folder / "notes").mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def job(tmp_path):
    """The folder of a job."""
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "study.yaml").write_text("name: x")
    return folder


def settings(rule):
    return {"name": "x: y", "runs": "s3://bucket", "allocators": [{"name": "Mine", "rule": rule}]}


def test_modules_outside_the_folder_go_with_those_beside_them(outside, job):
    packed = pack(job, settings("rules_of_mine:calm"))
    assert {path.name for path in packed.modules} == {"rules_of_mine.py", "helper_of_mine.py", "more_of_mine"}
    assert packed.elsewhere == ()
    with gathered(job, packed) as folder:
        assert {path.name for path in folder.iterdir()} == {"study.yaml", *(path.name for path in packed.modules)}
        assert (folder / "helper_of_mine.py").read_text() == HELPER
    assert not folder.exists()
    assert sorted(path.name for path in job.iterdir()) == ["study.yaml"]


def test_modules_in_the_folder_come_first_and_travel_with_it(outside, job):
    (job / "rules_of_mine.py").write_text("def calm(returns):\n    return 0\n")
    packed = pack(job, settings("rules_of_mine:calm"))
    assert packed.modules == ()
    assert packed.code != pack(outside, settings("rules_of_mine:calm")).code
    with gathered(job, packed) as folder:
        assert folder == job


def test_a_change_of_what_is_reached_makes_another_job(outside, job):
    # Each time in another folder, for a process reads a file once.
    packed = pack(job, settings("rules_of_mine:calm"))
    again = outside.parent / "again"
    again.mkdir()
    (again / "rules_of_mine.py").write_text(RULE)
    (again / "helper_of_mine.py").write_text(HELPER.replace("1 /", "2 /"))
    assert pack(again, settings("rules_of_mine:calm")).code != packed.code
    (again / "unread_of_mine.py").write_text("x = 1\n")
    same = outside.parent / "same"
    same.mkdir()
    (same / "rules_of_mine.py").write_text(f"# A remark.\n{RULE}")
    (same / "helper_of_mine.py").write_text(HELPER)
    assert pack(same, settings("rules_of_mine:calm")).code == packed.code


def test_what_is_installed_or_not_here_is_not_packed(job):
    named = [settings("sklearn.covariance:OAS"), settings("collections:Counter"), settings("nowhere_of_mine:rule")]
    packed = pack(job, {"some": named}, ["x=also_nowhere_of_mine:rule", "y=[{rule: third_of_mine:rule}]"])
    assert (packed.modules, packed.code) == ((), ())
    assert packed.elsewhere == ("also_nowhere_of_mine:rule", "nowhere_of_mine:rule", "third_of_mine:rule")
    assert pack(job, {"name": "a:b c", "time": "12:30"}) == Packed()


def test_two_of_one_name_are_refused(outside, job):
    (job / "helper_of_mine.py").write_text("")
    packed = pack(job, settings("rules_of_mine:calm"))
    with (
        pytest.raises(InputError, match="helper_of_mine.py and .*helper_of_mine.py would be one to the job"),
        gathered(job, packed),
    ):
        pass


def test_code_that_cannot_be_read_is_named(job):
    (job / "broken_of_mine.py").write_text("def (:\n")
    with pytest.raises(InputError, match="broken_of_mine:rule: its source cannot be read"):
        pack(Path(job), settings("broken_of_mine:rule"))
