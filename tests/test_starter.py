from pathlib import Path

import pytest

from quantray.errors import InputError
from quantray.starter import write_starter

WORKFLOWS = Path(__file__).parents[1] / "workflows"


def test_all_programs_and_settings_of_the_clone_are_written(tmp_path):
    written = write_starter(tmp_path / "a" / "study")
    origin = {path.relative_to(WORKFLOWS): path for path in [*WORKFLOWS.glob("*.py"), *WORKFLOWS.rglob("*.yaml")]}
    copied = {path.relative_to(tmp_path / "a" / "study" / "workflows"): path for path in written}
    assert {name: path.read_bytes() for name, path in copied.items()} == {
        name: path.read_bytes() for name, path in origin.items()
    }


def test_what_is_there_is_not_overwritten(tmp_path):
    mine = tmp_path / "workflows" / "configs" / "demo.yaml"
    mine.parent.mkdir(parents=True)
    mine.write_text("name: mine\n")
    with pytest.raises(InputError, match=r"demo\.yaml would be overwritten; name another folder"):
        write_starter(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]
    assert mine.read_text() == "name: mine\n"


def test_other_files_do_not_matter_and_a_file_in_place_of_the_folder_does(tmp_path):
    (tmp_path / "notes.md").write_text("mine")
    assert write_starter(tmp_path)
    with pytest.raises(InputError, match="cannot be written"):
        write_starter(tmp_path / "notes.md")
