"""Replays as units of work: the same accounts as without, kept under all that they depend on."""

import shutil
from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from small_portfolios import ALLOCATORS, settings_in

from quantray.analytics.track import TrackRecord
from quantray.backtest.accounts import Decisions, backtest
from quantray.errors import DataError
from quantray.research.executor import Serial
from quantray.research.results import ResultStore
from quantray.research.terms import AccountingSettings, TradingCostSettings
from quantray.risk.drawdown import Protection
from quantray.studies.forecasts.store import ForecastStore
from quantray.studies.portfolios import replays
from quantray.studies.portfolios.alpha_settings import AlphaSettings, ForecastChoice
from quantray.studies.portfolios.kept_records import Replayed, read_replayed, write_replayed
from quantray.studies.portfolios.replays import ReplayData, are_units, replay_all, replayed_data
from quantray.studies.portfolios.risk.settings import OverlaySettings, RiskSettings, VolatilityTarget
from quantray.studies.portfolios.settings import AllocatorSettings, PolicySettings
from quantray.studies.portfolios.study import decide_all, load_portfolios, run_portfolios

OVERLAY = RiskSettings(overlay=OverlaySettings(risk_budget=1.0, protection=Protection(), band=0.01))


@pytest.fixture
def as_units(monkeypatch):
    """However few portfolios there are."""
    monkeypatch.setattr(replays, "_FEW", 1)


def assert_same(one, other):
    """Every number of two records, on every day."""
    for each in fields(TrackRecord):
        assert_array_equal(getattr(one, each.name), getattr(other, each.name), err_msg=each.name)


@pytest.mark.parametrize("risk", [None, OVERLAY], ids=["plain", "overlay"])
def test_accounts_that_were_kept_are_those_of_a_replay_to_the_last_bit(tmp_path, risk, as_units):
    together = run_portfolios(load_portfolios(settings_in(tmp_path, risk=risk)), Serial())
    alone = []
    for allocator in ALLOCATORS:
        # A single one is replayed in place, and not kept.
        settings = settings_in(tmp_path, risk=risk, allocators=(allocator,), benchmark=allocator.name)
        found = run_portfolios(load_portfolios(settings), Serial())
        assert found.n_computed == 0
        alone.append(found)
    records = [record for found in alone for record in found.records]
    assert len(records) == len(together.records) == len(ALLOCATORS) * (1 if risk is None else 2)
    assert sum(record.delistings.total for record in records) > 0
    for one, other in zip(together.records, records, strict=True):
        assert_same(one, other)
    assert together.overlays == tuple(use for found in alone for use in found.overlays)


def test_few_plain_accounts_are_made_in_place_and_others_are_units(tmp_path):
    many = [AllocatorSettings(name=f"Equal {number}", rule="equal_weight") for number in range(9)]
    assert not are_units(settings_in(tmp_path))
    assert not are_units(settings_in(tmp_path, allocators=many[:8], benchmark="Equal 0"))
    assert not are_units(settings_in(tmp_path, allocators=many[:1], benchmark="Equal 0", risk=OVERLAY))
    assert are_units(settings_in(tmp_path, allocators=many[:2], benchmark="Equal 0", risk=OVERLAY))
    found = run_portfolios(load_portfolios(settings_in(tmp_path, allocators=many, benchmark="Equal 0")), Serial())
    # Of nine that are alike one is replayed.
    assert (found.n_computed, found.n_reused) == (7 + 1, 8)
    assert len({record.digest() for record in found.records}) == 1


def test_accounts_are_found_under_whatever_name_an_allocator_has(tmp_path):
    first = run_portfolios(load_portfolios(settings_in(tmp_path, risk=OVERLAY)), Serial())
    renamed = [allocator.model_copy(update={"name": f"My {allocator.name}"}) for allocator in ALLOCATORS]
    settings = settings_in(tmp_path, risk=OVERLAY, allocators=renamed, benchmark=renamed[0].name)
    again = run_portfolios(load_portfolios(settings), Serial())
    assert again.n_computed == 0
    for one, other in zip(first.records, again.records, strict=True):
        assert_same(replace(one, name=f"My {one.name}"), other)
    assert [use.name for use in again.overlays] == [allocator.name for allocator in renamed]


def test_a_replay_follows_its_data_and_every_term_and_nothing_else(tmp_path, as_units):
    source = load_portfolios(settings_in(tmp_path, allocators=ALLOCATORS[1:]))
    plain, overlaid = source.settings, source.settings.model_copy(update={"risk": OVERLAY})
    trials, keys, _ = decide_all(source, Serial())

    def computed(settings, data=source.data):
        shared = ReplayData.of(settings, data, trials["Equal weight"][0])
        return replay_all(shared, settings, keys, Serial())[1].n_computed

    assert (computed(plain), computed(plain)) == (2, 0)
    terms = {
        "costs": TradingCostSettings(half_spread_bps=9.0),
        "accounting": AccountingSettings(cash_rate=0.01),
        "policy": PolicySettings(kind="threshold", size=0.01),
        "risk": OVERLAY,
    }
    for name, value in terms.items():
        assert computed(plain.model_copy(update={name: value})) == 2, name
    held = OVERLAY.model_copy(update={"overlay": OverlaySettings(volatility=VolatilityTarget())})
    assert computed(overlaid.model_copy(update={"risk": held})) == 2
    volume = source.panel.field("volume").copy()
    volume[-1, 0] += 1.0
    other = replace(source.data, panel=source.panel.with_fields(volume=volume))
    assert computed(plain, other) == 2
    sectors = source.data.sectors | {str(source.panel.assets[0]): "Other"}
    assert computed(overlaid, replace(source.data, sectors=sectors)) == 2
    assert computed(plain, replace(source.data, sectors=sectors)) == 0
    idle = {"benchmark": ALLOCATORS[1].name, "name": "other", "risk": RiskSettings(level=0.95)}
    assert computed(plain.model_copy(update=idle)) == 0


def test_an_edit_of_ones_own_costs_replays_again(written, tmp_path, as_units):
    def run(bps):
        name = written(f"def paid(trades, day):\n    return abs(trades) * {bps} * 1e-4\n")
        return run_portfolios(load_portfolios(settings_in(tmp_path, costs={"model": f"{name}:paid"})), Serial())

    cheap, again, dear = run(1.0), run(1.0), run(9.0)
    assert (again.n_computed, again.digest) == (0, cheap.digest)
    assert dear.n_computed == len(ALLOCATORS)
    assert dear.records[0].costs.sum() > cheap.records[0].costs.sum()


def test_a_portfolio_that_held_nothing_is_kept_too(study, tmp_path):
    panel, results = study[0].panel, ResultStore(tmp_path)
    idle = Decisions(panel.dates[-9:-8], panel.assets, np.zeros((1, len(panel.assets))))
    record = backtest(panel, idle, name="Idle")
    write_replayed(results, "ab" * 16, Replayed((record,), "said"), {})
    found = read_replayed(results, "ab" * 16, "Idle", panel.assets)
    assert_same(found.records[0], record)
    assert (found.note, found.use, len(record.trade_dates)) == ("said", None, 0)


def test_what_is_no_accounts_of_the_study_is_refused(study, tmp_path):
    source, result = study
    results = ResultStore(tmp_path)
    write_replayed(results, "ab" * 16, Replayed(result.records[:1]), {})
    with pytest.raises(DataError, match=r"holds no accounts of this study .*; delete it and run the study again"):
        read_replayed(results, "ab" * 16, "HRP", source.panel.assets[1:])
    results.put("cd" * 16, results.get("ab" * 16), results.notes("ab" * 16) | {"records": "[]"})
    with pytest.raises(DataError, match=r"holds no accounts of this study \(0 days in 379 rows\)"):
        read_replayed(results, "cd" * 16, "HRP", source.panel.assets)


def test_forecasts_are_told_apart_by_what_they_are(study, tmp_path):
    panel = study[0].panel
    stored = ForecastChoice(store=str(tmp_path / "forecasts"), model="gat", version=0)
    learned = AllocatorSettings(
        name="Learned", rule="mean_variance", estimator="statistical", alpha=AlphaSettings(forecasts=stored)
    )
    settings = settings_in(tmp_path, allocators=(learned, ALLOCATORS[2]))
    seen = []
    for score in (1.0, 2.0):
        store = ForecastStore(stored.store)
        store.write("gat", panel.dates[-5:], panel.assets, np.full((5, len(panel.assets)), score), {"fit": "none"})
        assert store.version() == 0
        seen.append(replayed_data(settings, panel))
        shutil.rmtree(stored.store)
    assert seen[0]["Learned"] != seen[1]["Learned"]
    assert seen[0]["Equal weight"] == seen[1]["Equal weight"] == panel.fingerprint()


@pytest.mark.ray
def test_ray_gives_the_same_accounts(ray_cluster, tmp_path):
    from quantray.distributed.executor import OnRay

    found = []
    for name, executor in (("here", Serial()), ("there", OnRay())):
        found.append(run_portfolios(load_portfolios(settings_in(tmp_path / name, risk=OVERLAY)), executor))
    assert found[0].digest == found[1].digest
    assert found[0].overlays == found[1].overlays
    for one, other in zip(found[0].records, found[1].records, strict=True):
        assert_same(one, other)
