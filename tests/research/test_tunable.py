"""What every search relies on: enough days held out, objectives that are numbers, and keys of trials."""

import numpy as np
import pytest

from quantray.errors import DataError, InputError
from quantray.research.kind import Source, StudySettings
from quantray.research.market import MarketData, SimulatedData
from quantray.research.space import Integers, SearchSpace
from quantray.research.terms import ClusterSettings
from quantray.research.tunable import Progress, Tunable, check_held_out, day_before, finite


class Study(StudySettings):
    kind: str = "tests"
    depth: int = 1
    width: int = 8


class Subject:
    most_rounds = 1

    def __init__(self, base):
        self.space = SearchSpace(base, {"width": Integers(low=4, high=10)})

    def rounds(self, point):
        yield Progress(float(point["width"]), finished=True)


@pytest.fixture
def panel(make_panel):
    return make_panel(np.ones((60, 2)))


def tunable_of(study, panel, tried=None):
    data = MarketData(SimulatedData(), panel, "nowhere", {}, ())
    return Tunable(
        name="it",
        measure="width",
        maximise=True,
        source=Source(study, data, None),
        subject=Subject(tried or study),
        seen_through=panel.dates[9],
        first_held_out=panel.dates[10],
        best=lambda point: study,
        held_out_trials=1.0,
        held_out=lambda *_: pytest.fail("not asked for"),
    )


def test_a_trial_is_known_by_its_study_and_its_settings(panel):
    study, point = Study(name="s"), {"width": 8}
    key = tunable_of(study, panel).trial_key(point)
    assert key.startswith(f"{study.identity}-")
    assert tunable_of(study, panel).trial_key({"width": 9}) != key
    # The same settings of another study, and other settings that are not searched.
    assert tunable_of(Study(name="s", depth=2), panel, tried=study).trial_key(point) != key
    assert tunable_of(study, panel, tried=Study(name="s", depth=2)).trial_key(point) != key


def test_where_a_trial_runs_is_no_part_of_its_key(panel):
    study, point = Study(name="s"), {"width": 8}
    elsewhere = study.model_copy(update={"runs": "elsewhere", "cluster": ClusterSettings(kind="serial")})
    assert tunable_of(elsewhere, panel).trial_key(point) == tunable_of(study, panel).trial_key(point)


def test_twenty_days_must_be_held_out(panel):
    check_held_out(panel, panel.dates[40], 0)
    check_held_out(panel, panel.dates[38], 2)
    for row, unknown in ((41, 0), (40, 1)):
        with pytest.raises(InputError, match=f"only 19 days from {panel.dates[row]} on are held out, and 20 are need"):
            check_held_out(panel, panel.dates[row], unknown)


def test_the_day_before(panel):
    assert day_before(panel, panel.dates[7]) == panel.dates[6]


@pytest.mark.parametrize("objective", [np.nan, np.inf, -np.inf])
def test_an_objective_is_a_number(objective):
    assert finite(0.5) == 0.5
    with pytest.raises(DataError, match="no label or return is known where it is measured"):
        finite(objective)
