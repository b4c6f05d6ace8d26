"""The command line: every verb, and every mistake in one line with the right exit code."""

import json
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import called, quantray, refused

from quantray.data.calendar import trading_days

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "workflows" / "configs" / "demo.yaml"


def workflow(*arguments, cwd):
    path = str(ROOT / "workflows" / "walk_forward.py")
    return called(lambda: runpy.run_path(path, run_name="__main__"), [path, *arguments], cwd)


@pytest.mark.slow
def test_demo_report_and_a_second_run(tmp_path):
    done = quantray("demo", "--serial", "--runs", "runs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Equal weight" in done.stdout
    (run,) = (tmp_path / "runs").glob("demo-*")
    again = quantray("demo", "--serial", "--runs", "runs", cwd=tmp_path)
    assert "0 units computed, 30 reused" in again.stdout
    (run / "report.html").unlink()
    assert quantray("report", run, cwd=tmp_path).returncode == 0
    assert (run / "report.html").is_file()
    told = quantray("report", run, "--reader", "risk", "--period", "year", "--attribution", cwd=tmp_path)
    assert "report: " in told.stdout, told.stderr
    assert (run / "report-risk-year.html").stat().st_size < 200_000
    refused(quantray("report", run, "--reader", "clients", cwd=tmp_path), 2, "did you mean 'client'?")
    # By its settings file it is the same run; another setting makes another.
    by_file = quantray("run", CONFIG, "--set", "cluster.kind=serial", cwd=tmp_path)
    assert "0 units computed, 30 reused" in by_file.stdout
    quantray("run", CONFIG, "--set", "cluster.kind=serial", "--set", "costs.commission_bps=9", cwd=tmp_path)
    risked = quantray("risk", run, "--portfolio", "HRP", "--json", "risk.json", cwd=tmp_path)
    assert "Value-at-risk at 99%" in risked.stdout
    assert (run / "risk.html").is_file()
    refused(quantray("risk", run, "--portfolio", "HPR", cwd=tmp_path), 2, "did you mean 'HRP'?")
    planned = quantray("schedule", run, "--aum", "1e8", "--allocator", "HRP", "--out", "planned", cwd=tmp_path)
    assert "HRP: by algorithm" in planned.stdout, planned.stderr
    assert (tmp_path / "planned" / "children.parquet").is_file()
    refused(quantray("schedule", run, "--date", "2030-01-01", cwd=tmp_path), 2, "days of trading nearest to it are")
    refused(quantray("schedule", run, "--impact", "cubic", cwd=tmp_path), 2, "impact", "square_root")
    listed = quantray("runs", cwd=tmp_path).stdout
    assert listed.count("portfolios") == 2
    other = next(folder for folder in (tmp_path / "runs").glob("demo-*") if folder != run)
    compared = quantray("compare", run, other, cwd=tmp_path)
    assert "costs.commission_bps" in compared.stdout
    assert "HRP: annual cost" in compared.stdout
    assert "the numbers differ" in compared.stdout
    damaged_and_healed(run, tmp_path)


def damaged_and_healed(run, folder):
    """A result that is damaged is named by ``verify``, and the same command heals it."""
    whole = quantray("verify", run, cwd=folder)
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.startswith(f"{run} is whole")
    digest = json.loads((run / "study.json").read_text())["digest"]
    result = min((folder / "runs" / "results").rglob("*.parquet"))
    content = result.read_bytes()
    result.write_bytes(content[:100] + bytes([content[100] ^ 4]) + content[101:])
    damaged = quantray("verify", run, cwd=folder)
    assert f"{result} is damaged; compute it again: quantray run" in damaged.stdout.replace("\n", "")
    refused(damaged, 1, "1 of what", "is not as it was")
    again = quantray("demo", "--serial", "--runs", "runs", cwd=folder)
    assert "1 units computed, 29 reused" in again.stdout
    assert f"computed again: {result.stem}" in again.stderr
    assert result.read_bytes() == content
    assert json.loads((run / "study.json").read_text())["digest"] == digest
    assert quantray("verify", run, cwd=folder).returncode == 0


def test_a_workflow_on_a_store(imported_store, tmp_path):
    config = ROOT / "workflows" / "configs" / "sp500.yaml"
    changes = [f"data.store={imported_store}", "folds.lookback_days=120", "cluster.kind=serial", "min_volatility=0"]
    done = workflow(config, *(word for change in changes for word in ("--set", change)), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "report: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("data", "import", "none.csv"), 1, ("none.csv does not exist",)),
        (("data", "check", "--store", "none"), 1, ("there is no market store at none", "quantray data import")),
        (("data", "import", "none.csv", "--column", "x"), 2, ("FILE_COLUMN=FIELD",)),
        (("data", "import", "none.csv", "--quality", "none.yaml"), 2, ("none.yaml does not exist",)),
        (("run", "none.yaml"), 2, ("none.yaml does not exist",)),
        (("run", str(CONFIG), "--set", "kind=sweep"), 2, ("unknown key",)),
        (("data", "simulate", "--assets", "0"), 2, ("too small",)),
    ],
)
def test_bad_commands_are_refused(tmp_path, arguments, code, words):
    refused(quantray(*arguments, cwd=tmp_path), code, *words)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        (["rebalence=daily"], 2, ("unknown key 'rebalence'", "did you mean 'rebalance'")),
        (["costs.half_spread_bps=-1"], 2, ("costs.half_spread_bps", "greater than or equal to 0")),
        (["data.n_days=301", "folds.lookback_days=400"], 2, ("301 trading days are too few", "earlier start")),
        (["data={kind: store, store: none}"], 1, ("there is no market store at none",)),
        (["data={kind: store, start: 2024-02-01, end: 2024-01-01}"], 2, ("start 2024-02-01 is after end 2024-01-01",)),
        (["data={kind: store, universe: {band: [50, 60]}}"], 1, ("the universe selects nothing",)),
        (["data={kind: store, universe: {symbols: [NONE]}}"], 1, ("symbols of the universe are not in the data",)),
        (["data={kind: store, version: 99}"], 1, ("has no version 99",)),
        (["cluster={kind: address, address: '127.0.0.1:1'}"], 1, ("no Ray head answers at 127.0.0.1:1",)),
        (["cluster={kind: address, address: nowhere}"], 2, ("is not host:port",)),
        (["runs=/proc/runs", "cluster.kind=serial"], 1, ("cannot write", "choose another folder")),
    ],
)
def test_bad_studies_are_refused(imported_store, tmp_path, monkeypatch, changes, code, words):
    monkeypatch.setenv("QUANTRAY_STORE", str(imported_store))
    done = workflow(CONFIG, *(word for change in changes for word in ("--set", change)), cwd=tmp_path)
    refused(done, code, *words)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_an_interrupt_says_that_the_run_can_go_on(tmp_path, monkeypatch):
    def interrupted(kind, settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("quantray.cli._run", interrupted)
    for done in (quantray("demo", cwd=tmp_path), workflow(CONFIG, cwd=tmp_path)):
        assert done.returncode == 3
        assert "run the same command again" in done.stderr


def test_debug_shows_the_traceback(tmp_path):
    done = quantray("report", "none", "--debug", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    done = workflow("none.yaml", "--debug", cwd=tmp_path)
    assert "Traceback" in done.stderr


def test_wrong_usage_exits_with_two(tmp_path):
    assert quantray("data", "imprt", cwd=tmp_path).returncode == 2
    assert workflow(cwd=tmp_path).returncode == 2


def test_one_asset_is_enough(tmp_path):
    days = trading_days("2023-01-03", "2024-02-26")
    close = 10 * np.cumprod(1 + np.random.default_rng(0).normal(0, 0.01, len(days)))
    pd.DataFrame({"date": days, "symbol": "ONE", "close": close, "volume": 100}).to_csv(tmp_path / "b.csv", index=False)
    assert quantray("data", "import", "b.csv", "--store", "market", cwd=tmp_path).returncode == 0
    changes = ["data={kind: store, store: market}", "folds.lookback_days=60", "cluster.kind=serial"]
    done = workflow(CONFIG, *(word for change in changes for word in ("--set", change)), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
