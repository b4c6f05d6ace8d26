"""Strategies of users' own in a sweep: searched beside quantray's, found again, and computed again when they change."""

import json

import pytest
from small_sweep import settings_in

from quantray.errors import InputError
from quantray.research.executor import Serial
from quantray.research.run import write
from quantray.settings import read_settings
from quantray.studies.evaluation.strategy_settings import OwnStrategy, RangeSettings
from quantray.studies.sweep.kind import SWEEP
from quantray.studies.sweep.settings import SweepSettings
from quantray.studies.sweep.study import load_sweep, run_sweep

WRITTEN = """
import numpy as np

def dip(panel, days=5):
    return held(panel, -moved(panel, days))

def rise(panel, days=5):
    return held(panel, moved(panel, days)) * 1.0

def held(panel, strength):
    chosen = (strength > 0) & panel.member
    return chosen / np.maximum(chosen.sum(axis=1, keepdims=True), 1)

def moved(panel, days):
    close, out = panel.field("close"), np.full(panel.shape, np.nan)
    out[days:] = np.log(close[days:] / close[:-days])
    return out
"""


def study_of(folder, *own):
    return settings_in(folder, strategies=("momentum_10_50", *own), screen=False)


def searched(module, rule):
    return OwnStrategy(name=rule, rule=f"{module}:{rule}", ranges={"days": RangeSettings(low=3, high=9, step=3)})


def test_own_strategies_are_searched_and_an_edit_computes_again_what_depends_on_it_alone(written, tmp_path):
    def run(text):
        module = written(text)
        source = load_sweep(study_of(tmp_path, searched(module, "dip"), searched(module, "rise")))
        return source, run_sweep(source, Serial())

    source, whole = run(WRITTEN)
    assert {"dip", "rise"} < set(whole.strategies)
    assert {value for choice in whole.choices if choice.strategy == "dip" for _, value in choice.parameters} <= {
        3,
        6,
        9,
    }
    folder = write(SWEEP.name, source, SWEEP.findings(source, whole))
    assert {"momentum_10_50", "dip", "rise"} < set(json.loads((folder / "metrics.json").read_text()))
    assert "dip" in (folder / "report.html").read_text()
    assert read_settings(SweepSettings, folder / "settings.yaml") == source.settings
    _, again = run(WRITTEN)
    assert (again.n_computed, again.digest) == (0, whole.digest)

    _, edited = run(WRITTEN.replace("* 1.0", "* 0.5"))
    # The sets of the edited strategy and the replays that hold one; not those of the other.
    replays = 2 * 3 + 3
    assert 0 < edited.n_computed <= 4 + replays
    before, after = ({(s.strategy, s.policy): s.returns.tolist() for s in one.streams} for one in (whole, edited))
    assert all(before[key] == after[key] for key in before if key[0] in ("dip", "momentum_10_50"))
    assert before["rise", "default"] != after["rise", "default"]
    _, remarked = run(WRITTEN.replace("def rise", "# Up.\ndef rise"))
    assert remarked.n_computed == 0


def test_what_must_not_pass_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="peeks: tried on 12 names before the study, it gave other weights"):
        load_sweep(study_of(tmp_path, "own_strategies:peeks"))
    assert not (tmp_path / "results").exists()
