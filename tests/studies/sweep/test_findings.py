"""A sweep from settings to a run folder, on the serial executor."""

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from small_sweep import settings_in

from quantray.errors import DataError, InputError
from quantray.research.executor import Serial
from quantray.research.market import SimulatedData
from quantray.research.run import write
from quantray.settings import read_settings
from quantray.strategies.ensemble import RegimeAwareEnsemble
from quantray.strategies.regime_map import read_map
from quantray.studies.evaluation.regime_choice import RegimeChoice
from quantray.studies.sweep.kind import SWEEP
from quantray.studies.sweep.record import ALL
from quantray.studies.sweep.settings import SweepSettings
from quantray.studies.sweep.study import load_sweep, run_sweep


def kept(source, record):
    """The folder of a run."""
    return write(SWEEP.name, source, SWEEP.findings(source, record))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    source = load_sweep(settings_in(tmp_path_factory.mktemp("runs")))
    record = run_sweep(source, Serial())
    return source, record, kept(source, record)


def test_the_folder_holds_the_tables_and_the_report(run):
    source, record, folder = run
    about = json.loads((folder / "study.json").read_text())
    assert about["digest"] == record.digest
    assert about["facts"]["regimes"].startswith("volatility (low ")
    streams = pq.read_table(folder / "streams.parquet")
    assert streams.num_rows == len(record.dates)
    assert streams["momentum_10_50, conditional"].to_pylist() == list(
        record.stream("momentum_10_50", "conditional").returns
    )
    choices = pq.read_table(folder / "choices.parquet")
    assert choices.num_rows == len(record.choices) == 4 * len(record.folds) * (1 + len(record.regimes))
    outcomes = pq.read_table(folder / "outcomes.parquet").to_pylist()
    (row,) = [
        r for r in outcomes if (r["strategy"], r["regime"], r["measure"]) == ("bollinger_20", ALL, "over unconditional")
    ]
    gain = record.outcome("bollinger_20").over_unconditional
    assert (row["value"], row["low"], row["high"]) == (gain.mean, gain.interval.low, gain.interval.high)
    scores = pq.read_table(folder / "scores.parquet")
    assert set(scores["strategy"].to_pylist()) == {"momentum_10_50", "bollinger_20", "Moving-average screen"}
    report = (folder / "report.html").read_text()
    assert about["headline"].split(":")[0] in report
    assert record.digest in report


def test_the_settings_in_the_folder_run_it_again(run):
    source, record, folder = run
    again = load_sweep(read_settings(SweepSettings, folder / "settings.yaml"))
    repeated = run_sweep(again, Serial())
    assert repeated.n_computed == 0
    assert repeated.digest == record.digest


def test_a_map_is_learned_from_the_regimes_of_a_lens(run):
    _, record, folder = run
    learned = read_map(folder / "regime_map.yaml")
    assert RegimeAwareEnsemble(regime_map=learned).regime_map == learned
    assert all(rule.when.keys() == {"volatility"} for rule in learned.rules)
    (note, *_) = (folder / "regime_map.yaml").read_text().splitlines()
    assert note == f"# Learned from what strategies earned up to {record.dates[-1]}: it is tested on later days only."


@pytest.mark.parametrize("method", ["market", "liquidity", "correlation", "sector", "hmm"])
def test_every_method_gives_regimes_of_the_past(method):
    settings = settings_in("runs", data=SimulatedData(n_assets=12, n_days=560, seed=3))
    data = load_sweep(settings).data
    panel, sectors = data.panel, data.sectors
    choice = RegimeChoice(method=method, states=2)
    whole, part = choice.build(panel, sectors), choice.build(panel.until(529), sectors)
    assert (part.labels == whole.labels[:530]).all()
    assert whole.known[-1]


def test_regimes_of_sectors_need_sectors(market):
    with pytest.raises(InputError, match="set data.sectors"):
        RegimeChoice(method="sector").build(market.panel)


def test_a_folder_that_cannot_be_written(run, tmp_path):
    source, record, _ = run
    blocked = tmp_path / "file"
    blocked.write_text("")
    elsewhere = replace(source, settings=source.settings.model_copy(update={"runs": str(blocked)}))
    with pytest.raises(DataError, match="cannot write"):
        kept(elsewhere, record)
