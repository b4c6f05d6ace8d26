"""A combination from settings to a run folder: a hundred strategies on a small market."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from quantray.errors import DataError
from quantray.research.executor import Serial
from quantray.research.run import write
from quantray.settings import read_settings
from quantray.studies.combination.kind import COMBINATION
from quantray.studies.combination.record import BEST, EQUAL, MIX
from quantray.studies.combination.settings import CombinationSettings
from quantray.studies.combination.study import load_combination, run_combination
from quantray.tables import print_run

pytestmark = pytest.mark.slow

CONFIG = Path(__file__).parents[3] / "workflows" / "configs" / "combine.yaml"
SMALL = [
    "data={kind: simulated, n_assets: 12, n_days: 500, seed: 3}",
    "lookback_days=90",
    "min_days=45",
    "warm_up_days=130",
    "resampling.samples=150",
]


def kept(source, record):
    """The folder of a run."""
    return write(COMBINATION.name, source, COMBINATION.findings(source, record))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    source = load_combination(read_settings(CombinationSettings, CONFIG, [*SMALL, f"runs={folder}"]))
    record = run_combination(source, Serial())
    return source, record, kept(source, record)


def test_a_hundred_strategies_end_to_end(run):
    _, record, folder = run
    assert len(record.members) == 100
    assert record.n_computed == 101
    about = json.loads((folder / "study.json").read_text())
    assert about["digest"] == record.digest
    facts = about["facts"]
    assert facts["peak_driver_gib"] > 0
    assert facts["peak_workers_gib"] == []
    assert facts["netting"]["moving_cost_after"] <= facts["netting"]["moving_cost_before"]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics) == [MIX, EQUAL, BEST, "Regime-aware ensemble"]
    assert metrics[EQUAL]["mix_over_low"] <= metrics[EQUAL]["mix_over"] <= metrics[EQUAL]["mix_over_high"]
    assert "mix_over" not in metrics[MIX]


def test_tables_hold_what_the_record_does(run):
    _, record, folder = run
    streams = pq.read_table(folder / "streams.parquet")
    assert streams[MIX].to_pylist() == list(record.account(MIX).returns)
    strategies = pq.read_table(folder / "strategies.parquet")
    assert (strategies.num_rows, strategies.num_columns) == (len(record.dates), 101)
    decisions = pq.read_table(folder / "decisions.parquet").to_pylist()
    assert len(decisions) == 100 * len(record.decisions)
    dropped = [row for row in decisions if row["dropped"]]
    assert len(dropped) == sum(len(decision.dropped) for decision in record.decisions)
    assert all(row["share"] == 0 for row in dropped)
    netting = pq.read_table(folder / "netting.parquet")
    assert netting.num_rows == 4 * len(record.decided)
    assert set(netting["portfolio"].to_pylist()) == {account.name for account in record.accounts}


def test_the_settings_in_the_folder_run_it_again(run):
    _, record, folder = run
    again = run_combination(load_combination(read_settings(CombinationSettings, folder / "settings.yaml")), Serial())
    assert (again.n_computed, again.n_reused) == (0, 101)
    assert again.digest == record.digest


def test_the_report_and_the_table(run, capsys):
    _, record, folder = run
    report = (folder / "report.html").read_text()
    assert record.digest in report
    assert "100 strategies in one portfolio" in report
    assert "tail_hedge: puts on the equally weighted members; options priced at 21- and 126-day realised" in report
    print_run(folder)
    printed = capsys.readouterr().out
    assert "Best in hindsight" in printed
    assert "101 strategies computed, 0 reused" in printed


def test_a_folder_that_cannot_be_written(run, tmp_path):
    source, record, _ = run
    blocked = tmp_path / "file"
    blocked.write_text("")
    elsewhere = replace(source, settings=source.settings.model_copy(update={"runs": str(blocked)}))
    with pytest.raises(DataError, match="cannot write"):
        kept(elsewhere, record)
