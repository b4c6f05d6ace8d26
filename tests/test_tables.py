"""The tables that runs end with, from folders made by hand."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quantray.tables import print_scale, print_sweep, print_tuning


@pytest.fixture
def folder(tmp_path):
    return tmp_path / ("a folder whose name is so long that a path would be broken over two lines " * 2)


def written(folder, **contents):
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        if isinstance(content, pa.Table):
            pq.write_table(content, folder / f"{name}.parquet")
        else:
            (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def cells(text, first):
    """The cells of the row that begins with a word."""
    row = next(line for line in text.splitlines() if line.startswith(f"│ {first} "))
    return [cell.strip() for cell in row.strip("│").split("│")]


def test_a_sweep_shows_policies_gains_and_who_held_nothing(folder, capsys):
    def row(measure, value, overfitting=0.25, regime="all days"):
        values = {"value": value, "low": value - 1, "high": value + 1, "overfitting": overfitting}
        return {"strategy": "pairs", "regime": regime, "measure": measure} | values

    outcomes = [
        row("sharpe, conditional", 9.0, regime="calm"),
        row("sharpe, conditional", 1.5),
        row("sharpe, unconditional", 1.0),
        row("sharpe, default", -0.5),
        row("over unconditional", 0.5),
    ]
    streams = {f"{name}, default{more}": [0.0] for name in ("pairs", "tail_hedge") for more in ("", ", turnover")}
    about = {
        "name": "s",
        "first": "2020",
        "last": "2021",
        "confidence": "95%",
        "verdict": "No [evidence].",
        "seconds": 1.0,
    }
    about |= {"results_computed": 3, "results_reused": 0, "digest": "abc"}
    print_sweep(written(folder, sweep=about, outcomes=pa.Table.from_pylist(outcomes), streams=pa.table(streams)))
    said = capsys.readouterr().out
    assert cells(said, "pairs") == ["pairs", "1.50", "1.00", "-0.50", "0.50", "-0.50", "1.50", "25%"]
    assert "held nothing out of sample: tail_hedge\n" in said
    assert "No [evidence]." in said
    assert "3 results computed, 0 reused, 1.0 s; digest abc" in said
    assert f"report: {folder / 'report.html'}\n" in said


def test_a_search_shows_the_winner_first_and_twelve_trials_at_most(folder, capsys):
    trials = [
        {
            "number": n,
            "objective": n / 100,
            "rounds": 3,
            "finished": n != 15,
            "best": n == 14,
            "note": "",
            "setting w": "[a]",
        }
        for n in range(1, 16)
    ]
    trials[4] |= {"objective": None, "note": "diverged"}
    about = {"name": "t", "measure": "mean IC", "subject": "GAT", "verdict": "It helped.", "best": {"objective": 0.14}}
    print_tuning(written(folder, tuning=about, trials=pa.Table.from_pylist(trials)))
    said = capsys.readouterr().out
    rows = [line for line in said.splitlines() if line.startswith("│")]
    assert len(rows) == 12
    assert cells(rows[0], "14") == ["14", "0.1400", "3", "best", "[a]"]
    assert cells(rows[1], "13")[0] == "13"
    assert "diverged" not in said
    assert f"settings: {folder / 'best.yaml'}\n" in said


def test_sizes_show_skill_and_what_networks_cost(folder, capsys):
    size = {"costs": {"GAT": {"seconds": 1.25, "training_bytes": 4e8}}}
    sizes = [size | {"size": n, "ic": {"GAT": {"mean": 0.05}, "zero": {"mean": None}}} for n in (400, 2000)]
    print_scale(written(folder, scale=sizes))
    said = capsys.readouterr().out
    assert "2,000 names" in said
    assert cells(said, "GAT") == ["GAT", "0.050; 1.2 s, 0.40 GB", "0.050; 1.2 s, 0.40 GB"]
    assert cells(said, "zero") == ["zero", "–", "–"]
