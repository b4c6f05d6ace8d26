import json

import pytest
from command_line import quantray, refused

from quantray.oms.messages import Holdings
from quantray.oms.paper.bars import read_bars
from quantray.oms.paper.book import Book
from quantray.venue_commands import opened_accounts


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("venue")
    done = quantray("venue", "bars", "day.npz", "--synthetic", "3", "--minutes", "30", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "written: day.npz, 13 bars of 3 symbols on 2024-12-31\n"
    return folder


def test_bars_are_made_alike(folder):
    quantray("venue", "bars", "again.npz", "--synthetic", "3", "--minutes", "30", cwd=folder)
    assert (folder / "again.npz").exists()
    assert read_bars(folder / "again.npz").digest() == read_bars(folder / "day.npz").digest()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["bars", "x.npz"], 2, "give one of them"),
        (["bars", "x.npz", "--synthetic", "3", "--store", "market"], 2, "give one of them"),
        (["bars", "x.npz", "--synthetic", "3", "--minutes", "7"], 2, "do not divide a session"),
        (["bars", "x.npz", "--store", "nothing"], 1, "nothing"),
        (["start", "--data", "none.npz", "--state", "s"], 2, "quantray venue bars"),
        (["start", "--data", "day.npz", "--state", "s", "--faults", '{"wine": 1}'], 2, "wine"),
        (["start", "--data", "day.npz", "--state", "s", "--participation", "2"], 2, "participation 2"),
        (["start", "--data", "day.npz", "--state", "s", "--host", "0.0.0.0"], 2, "let everybody trade"),
        (["start", "--data", "day.npz", "--state", "s", "--accounts", "none.json"], 2, "none.json"),
        (["start", "--data", "day.npz", "--state", "day.npz"], 1, "day.npz"),
        (["start", "--data", "day.npz", "--state", "s", "--port", "0", "--seed", "9"], 2, "other rules"),
    ],
)
def test_what_cannot_be_is_one_line(folder, arguments, code, said):
    (folder / "s").mkdir(exist_ok=True)
    Book(read_bars(folder / "day.npz"), folder / "s" / "book.sqlite").close()
    refused(quantray("venue", *arguments, cwd=folder), code, said)


def test_what_accounts_hold_at_first(tmp_path):
    file = tmp_path / "accounts.json"
    assert opened_accounts(None) == {}
    file.write_text(json.dumps({"A": {"cash": "1000.05", "XYZ": 100}, "B": {"XYZ": -3}}))
    assert opened_accounts(file) == {"A": Holdings(10_000_500, {"XYZ": 100}), "B": Holdings(0, {"XYZ": -3})}


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"A": 5}', '{"A": {"XYZ": 1.5}}', '{"A": {"cash": "1e-9"}}', '{"A": {"cash": "wine"}}']
)
def test_accounts_that_are_none(folder, text):
    (folder / "accounts.json").write_text(text)
    done = quantray(*("venue", "start", "--data", "day.npz", "--state", "s", "--accounts", "accounts.json"), cwd=folder)
    refused(done, 2, "accounts.json", "write it as")
