"""All code that a unit of work runs is among the code that its key names; seen while it runs."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import quantray
from quantray.data.splits import DateRange, Split
from quantray.research.definitions import package_ground
from quantray.research.executor import Serial
from quantray.research.provenance import Origin
from quantray.research.results import ResultStore
from quantray.research.source import name_of, reached
from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.evaluation import evaluations as evaluation
from quantray.studies.evaluation.ensemble_family import EnsembleFamily
from quantray.studies.evaluation.evaluations import Plan, SweepData
from quantray.studies.evaluation.families import CrossFamily, RuleFamily, TradingTerms
from quantray.studies.forecasts import trial as forecast_trial
from quantray.studies.forecasts.settings import ModelSettings
from quantray.studies.forecasts.study import study_splits
from quantray.studies.forecasts.trial import KINDS, ForecastData, ForecastTrial, forecast_origin
from quantray.studies.institutional.settings import InstitutionalSettings
from quantray.studies.institutional.study import load_institutional, run_institutional
from quantray.studies.portfolios import trial as trials
from quantray.studies.portfolios.allocators import RULES
from quantray.studies.portfolios.alpha_settings import AlphaSettings, ForecastChoice
from quantray.studies.portfolios.settings import AllocatorSettings
from quantray.studies.portfolios.trial import Schedule, Trial, trial_origin

ROOT = Path(quantray.__file__).parent


def ran_by(work):
    """``module:name`` of every definition of quantray that some work runs."""
    seen = set()

    def note(frame, event, argument):
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("quantray") and frame.f_code.co_filename.startswith(str(ROOT)):
            seen.add((module, frame.f_code.co_qualname.partition(".")[0]))

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    # What a module does when it is imported, and functions without a name, which stand in definitions.
    return {(module, name) for module, name in seen if not name.startswith("<")}


def missed(work, origin):
    places = {(place.module, place.name) for place in reached(package_ground(ROOT), origin.code, origin.choices)}
    ran = ran_by(work)
    assert len(ran) > 3
    return ran - places


@pytest.fixture(scope="module")
def panel(market):
    return market.panel.select(market.panel.assets[:12])


@pytest.fixture(scope="module")
def decided(panel):
    """A trial's fields but its allocator."""
    before, after = (DateRange(panel.dates[a], panel.dates[b]) for a, b in ((180, 299), (300, 340)))
    split = Split(train=before, valid=None, test=after, horizon=0, lag=0, purge=0)
    return split, Schedule("monthly", "XNYS", 120, 0.9, 0.0)


def decisions(panel, trial, tabulate):
    def work():
        history = trial.history(panel)
        tabulate(history, trial.decision_dates(panel.dates), trial)

    return work


@pytest.mark.parametrize("estimator", ["sample", "ledoit_wolf_single_factor", "denoised", "statistical"])
@pytest.mark.parametrize("rule", list(RULES))
def test_allocators(panel, decided, rule, estimator):
    if rule in ("hrp_large", "equal_weight", "minimum_cvar") and estimator != "sample":
        pytest.skip("has no estimator")
    trial = Trial(AllocatorSettings(name="x", rule=rule, estimator=estimator), *decided)
    assert missed(decisions(panel, trial, trials._weights_table), trial_origin(trial)) == set()


def test_models_of_risk(panel, decided):
    alpha = AlphaSettings(forecasts=ForecastChoice(control="reversal"))
    settings = AllocatorSettings(name="x", rule="mean_variance", estimator="statistical", max_weight=0.5, alpha=alpha)
    trial = Trial(settings, *decided)
    assert missed(decisions(panel, trial, trials._models_table), trial_origin(trial)) == set()


FAMILIES = [RuleFamily(entry) for entry in CATALOGUE.values()] + [CrossFamily(), EnsembleFamily()]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_strategies(market, tmp_path, family):
    panel = market.panel.select(market.panel.assets[:15])
    data = SweepData(panel, panel.fingerprint(), (family,), TradingTerms(), ResultStore(tmp_path))
    data = replace(data, kept=(300,))
    origin = evaluation._origin(data, evaluation._played, [family.name])
    assert missed(lambda: list(evaluation._played(data, family, [family.default])), origin) == set()
    plan = Plan("p", ((family.name, family.default),), np.zeros(len(panel.dates), dtype=np.int64))
    origin = evaluation._plan_origin(data, plan)
    assert missed(lambda: evaluation._replayed(data, plan), origin) == set()


FEW = {"hist_gradient_boosting": {"max_iter": 3}, "lightgbm": {"n_estimators": 3}}


@pytest.mark.parametrize("kind", list(KINDS))
def test_forecasters(forecast_study, network, tmp_path, kind):
    source, _ = forecast_study
    data = ForecastData(source.data.panel, source.data.sectors, ResultStore(tmp_path))
    if kind == "lightgbm":
        pytest.importorskip("lightgbm")
    chosen = "own_forecasters:Regressor" if kind == "own" else kind
    model = network() if kind == "network" else ModelSettings(name="x", kind=chosen, parameters=FEW.get(kind, {}))
    trial = ForecastTrial(model, study_splits(source.settings, data.panel)[1], seed=0, before=130)
    origin = forecast_origin(trial)
    quantrays = tuple(place for place in origin.code if place.startswith("quantray."))
    assert missed(lambda: forecast_trial._forecast(data, trial, "ab"), replace(origin, code=quantrays)) == set()


def test_phases(tmp_path):
    """Every unit of the five phases, as the study makes it."""
    settings = {
        "strategies": ("momentum_10_50", "tail_hedge"),
        "parameters": {"trials": 2, "starts": 1, "min_days": 30},
        "weights": {"correlation_days": 60, "min_days": 30},
        "folds": {"warm_up_days": 60, "train_days": 150, "test_days": 110},
        "regimes": {"methods": ("clustering",), "timeframes": ("1day",), "first_days": 100},
        "execution": {"rebalances": ("monthly",), "participations": (0.1,)},
        "data": {"kind": "simulated", "n_assets": 12, "n_days": 335},
        "runs": str(tmp_path),
    }
    source = load_institutional(InstitutionalSettings(name="phases", **settings))
    done = Reached()
    run_institutional(source, done)
    assert done.missed == {name: set() for name in ("_run", "run_batch", *PHASE_UNITS)}


PHASE_UNITS = ("run_weights", "run_overlay", "run_execution", "run_replay")


class Reached(Serial):
    """Computes, and notes what the first unit of each function ran beyond what its key names."""

    def __init__(self):
        super().__init__()
        self.missed = {}

    def map(self, fn, items, *, shared):
        for task in items:
            name, found = task.run.__name__, []
            if name in self.missed:
                yield from super().map(fn, [task], shared=shared)
                continue
            # Keys and stores are what all units are made with; what computes stands beneath the unit's function.
            ran = ran_by(
                lambda task=task, found=found: found.extend(super(Reached, self).map(fn, [task], shared=shared))
            )
            places = {
                (place.module, place.name)
                for place in reached(package_ground(ROOT), task.origin.code, task.origin.choices)
            }
            own = (task.run.__module__, name)
            outside = ("quantray.research", "quantray.storage", "quantray.arrays", "quantray.settings")
            outside += ("quantray.printable",)
            self.missed[name] = {
                each for each in ran - places - {own} if not each[0].startswith(outside) and each[1] not in MAKERS
            }
            yield from found


MAKERS = (
    "PhaseData",
    "batch_keys",
    "_layout",
    "_key",
    "_origin",
    "_told",
    "weight_unit",
    "overlay_unit",
    "execution_unit",
    "replay_unit",
)


def test_strategies_that_come_with_the_data_have_to_be_named(market, tmp_path):
    """What no annotation leads to is missed by the function alone: the test above would notice."""
    panel, family = market.panel.select(market.panel.assets[:15]), RuleFamily(CATALOGUE["rsi_14"])
    data = SweepData(panel, panel.fingerprint(), (family,), TradingTerms(), ResultStore(tmp_path))
    alone = Origin((name_of(evaluation._played),), ())
    ran = missed(lambda: list(evaluation._played(data, family, [family.default])), alone)
    assert ("quantray.strategies.mean_reversion", "RsiReversion") in ran
