"""The tables that runs end with, from folders made by hand."""

from datetime import UTC, datetime

import pytest
import yaml

from quantray.analytics.page import Cell, Column, Page, Rows, Table
from quantray.errors import DataError
from quantray.research.folder import LAYOUT, About
from quantray.storage.seals import file_hash
from quantray.tables import print_run, print_table

SUMMARY = Table(
    title="a [study]: 95% intervals",
    columns=("name", "value", Column(title="ran", text=True)),
    groups=(
        Rows(title="first", rows=(("pairs", Cell(text="1.50", hint="unseen", below="unseen"), "to the end"),)),
        Rows(rows=(("[red]", "–", "stopped early"), ("2,000 names", "0.050; 1.2 s, 0.40 GB", "[a]"))),
    ),
)
ABOUT = About(
    layout=LAYOUT,
    kind="tests",
    name="a",
    config_hash="def",
    digest="abc",
    headline="",
    written=datetime(2024, 1, 2, tzinfo=UTC),
    data="nowhere",
    computed=1203,
    reused=4,
    called="fits",
    seconds=1.04,
    notes=("held nothing out of sample: tail_hedge", "The best settings are in [a]/best.yaml."),
    numerics="Haswell, AVX2",
    versions={},
    facts={},
    files={},
)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / ("a folder whose name is so long that a path would be broken over two lines " * 2)


def written(folder):
    page = Page(title="a", meta="", headline="No [evidence].", sections=(), summary=SUMMARY)
    folder.mkdir()
    (folder / "settings.yaml").write_text(yaml.safe_dump({"kind": "tests", "name": "a"}))
    (folder / "page.json").write_text(page.model_dump_json())
    hashes = {path.name: file_hash(path.read_bytes()) for path in folder.iterdir()}
    (folder / "study.json").write_bytes(ABOUT.model_copy(update={"files": hashes}).sealed())
    return folder


def cells(text, first):
    """The cells of the row that begins with a word."""
    row = next(line for line in text.splitlines() if line.startswith(f"│ {first} "))
    return [cell.strip() for cell in row.strip("│").split("│")]


def test_a_table_shows_all_groups_and_takes_brackets_for_text(capsys):
    print_table(SUMMARY)
    said = capsys.readouterr().out
    assert "a [study]: 95% intervals" in said
    header = next(line for line in said.splitlines() if "value" in line)
    assert [cell.strip() for cell in header.strip("┃").split("┃")] == ["name", "value", "ran"]
    assert cells(said, "pairs") == ["pairs", "1.50", "to the end"]
    assert cells(said, r"[red]") == ["[red]", "–", "stopped early"]
    assert cells(said, "2,000 names") == ["2,000 names", "0.050; 1.2 s, 0.40 GB", "[a]"]
    assert "unseen" not in said


def test_words_stand_to_the_left_and_numbers_to_the_right(capsys):
    print_table(SUMMARY)
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("│ pairs"))
    name, value, ran = row.strip("│").split("│")
    assert name.startswith(" pairs ")
    assert value.endswith(" 1.50 ")
    assert ran.startswith(" to the end")


def test_a_run_of_any_kind_says_what_it_found_and_took(folder, capsys):
    print_run(written(folder))
    said = capsys.readouterr().out
    assert cells(said, "pairs") == ["pairs", "1.50", "to the end"]
    after = said[said.rindex("┘") + 1 :]
    assert after.strip().splitlines() == [
        "No [evidence].",
        "held nothing out of sample: tail_hedge",
        "The best settings are in [a]/best.yaml.",
        "1,203 fits computed, 4 reused, 1.0 s; digest abc",
        f"report: {folder / 'report.html'}",
    ]


def test_a_folder_without_a_run_is_named(folder):
    folder.mkdir()
    with pytest.raises(DataError, match="is not a run folder"):
        print_run(folder)
