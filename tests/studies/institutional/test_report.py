from dataclasses import replace

import numpy as np
import pytest

from quantray.analytics.bootstrap import Estimate, Interval
from quantray.studies.institutional.findings import find_institutional
from quantray.studies.institutional.record import PHASES, Gain
from quantray.studies.institutional.report import verdict


def gain(low, high):
    mean = (low + high) / 2
    found = Estimate(mean, 0.1, Interval(low, high, 0.95), 0.1, 100)
    return Gain("Without risk", 1e9, found, found)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.1, 0.5, "Risk: it helped at 1B (Sharpe ratio +0.30, 95% interval +0.10 to +0.50)."),
        (-0.5, -0.1, "Risk: it hurt at 1B (Sharpe ratio -0.30, 95% interval -0.50 to -0.10)."),
        (
            -0.1,
            0.3,
            "Risk: there is no evidence that it helped at 1B (Sharpe ratio +0.10, 95% interval -0.10 to +0.30).",
        ),
    ],
)
def test_a_phase_is_judged_by_its_interval(low, high, said):
    assert verdict("risk", gain(low, high)) == said


def test_nothing_is_said_of_what_held_nothing():
    assert "nothing can be said" in verdict("risk", Gain("Without risk", 1e9, None, None))


def test_the_page_tells_of_every_phase(study):
    source, record = study
    page = find_institutional(source, record).page
    assert page.headline.startswith("With all phases the net Sharpe ratio at 10M is ")
    assert [finding.partition(":")[0] for finding in page.findings[:5]] == [phase.capitalize() for phase in PHASES]
    assert "by chance one expects 0.5" in page.findings[5]
    titles = [section.title for section in page.sections]
    for title in ("With and without each phase", "What each phase chose", "Do the searches agree?", "Regimes"):
        assert title in titles
    html = page.html([], {})
    assert "Execution at 1B" in html
    assert len(page.summary.groups[0].rows) == 14


def test_a_bound_that_was_exceeded_is_said(study):
    source, record = study
    tight = source.settings.objectives.constraints.model_copy(update={"max_drawdown": 1e-6})
    objectives = source.settings.objectives.model_copy(update={"constraints": tight})
    settings = source.settings.model_copy(update={"objectives": objectives})
    page = find_institutional(replace(source, settings=settings), record).page
    kept = next(section for section in page.sections if section.title == "What had to be kept")
    row = kept.parts[0].groups[0].rows[0]
    assert row[1].endswith("%, exceeded")
    assert "exceeded" not in row[2]


def test_days_without_a_regime_have_a_name_in_the_picture(study):
    from quantray.studies.institutional.figures import regimes

    _, record = study
    labels = record.labels.copy()
    labels[5:9] = -1
    picture = regimes(replace(record, labels=labels), np.ones(len(labels)))
    assert "none told apart" in picture.figure.to_json()
