"""The shape of a search: rounds by hand, and a miniature that leaves nothing where the search would run."""

from dataclasses import replace

import pytest

from quantray.research.executor import Serial
from quantray.research.units import metered
from quantray.studies.tuning.settings import StoppingSettings
from quantray.studies.tuning.sizing import TRIALS, TUNING_SIZING, expected_rounds
from quantray.studies.tuning.study import load_tuning


def test_rounds_of_a_trial_by_hand():
    assert expected_rounds(5, StoppingSettings(grace=5)) == 5
    # All do 3, a third goes on to 9, and a ninth to 12.
    assert expected_rounds(12, StoppingSettings(grace=3, reduction=3)) == pytest.approx(3 + 6 / 3 + 3 / 9)


@pytest.mark.parametrize("kind", ["portfolios", "forecasts"])
def test_a_miniature_is_one_trial_of_few_rounds(kind, search_in, tmp_path):
    source = load_tuning(search_in(tmp_path, kind))
    settings, subject = source.settings, source.prepared.subject
    whole = TUNING_SIZING.outline(source, None).parts[TRIALS]
    assert whole.size[0] == settings.trials + source.prepared.held_out_trials
    assert settings.trials < whole.units <= (whole.size[0]) * subject.most_rounds
    assert whole.at_once == settings.concurrent
    small = TUNING_SIZING.smaller(source, 0.02)
    elsewhere = tmp_path / "elsewhere"
    small = replace(small, settings=small.settings.model_copy(update={"runs": str(elsewhere)}))
    with metered() as meter:
        TUNING_SIZING.run(small, Serial())
    part = TUNING_SIZING.outline(small, None).parts[TRIALS]
    assert (part.units, part.size) == (1, (1.0, 1.0))
    assert meter.parts[TRIALS].units == 1
    assert list(elsewhere.rglob("*"))
    assert not (tmp_path / "runs").exists()
