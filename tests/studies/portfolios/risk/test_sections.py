from dataclasses import replace

import numpy as np
import pytest
from small_portfolios import ALLOCATORS, settings_in

from quantray.analytics.bootstrap import Resampling
from quantray.analytics.page import Table
from quantray.research.executor import Serial
from quantray.risk.drawdown import Protection
from quantray.risk.limiting.limit_levels import LevelChange
from quantray.risk.limits import Limit
from quantray.studies.portfolios.findings import find_portfolios
from quantray.studies.portfolios.risk.sections import overlay_effects
from quantray.studies.portfolios.risk.settings import OverlaySettings, RiskSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios


@pytest.fixture(scope="module")
def overlaid(tmp_path_factory):
    risk = RiskSettings(
        limits=(Limit(name="factor", metric="net", scope="factor oil", soft=0.1, hard=0.2),),
        overlay=OverlaySettings(protection=Protection(depths=(0.03,), exposures=(0.0,), margin=0.01)),
    )
    settings = settings_in(tmp_path_factory.mktemp("runs"), allocators=(ALLOCATORS[2],), risk=risk)
    source = load_portfolios(settings)
    return source, run_portfolios(source, Serial())


def test_what_is_saved_and_given_up_sums_to_the_gain(overlaid):
    _, result = overlaid
    (effect,) = overlay_effects(result.records, result.overlays, Resampling(n_samples=100))
    without, held = result.records
    assert effect.gain.mean == pytest.approx(252 * (held.returns - without.returns).mean())
    assert effect.saved.mean + effect.given_up.mean == pytest.approx(effect.gain.mean)
    assert effect.saved.mean > 0
    worst = without.returns <= np.quantile(without.returns, 0.05)
    assert effect.saved.mean == pytest.approx(252 * ((held.returns - without.returns) * worst).mean())
    assert effect.costs > 0


def test_the_report_has_both_sections_and_says_what_it_could_not_tell(overlaid):
    source, result = overlaid
    findings = find_portfolios(source, result)
    sections = {section.title: section for section in findings.page.sections}
    table = sections["What the risk overlay cost and saved"].parts[0]
    assert isinstance(table, Table)
    assert table.groups[0].rows[0][0] == "Equal weight"
    (note, _) = sections["Risk on the last day"].parts
    assert "no factor 'oil'" in note.text
    metrics = findings.metrics["Equal weight with overlay"]
    assert metrics["overlay_gain_low"] <= metrics["overlay_gain"] <= metrics["overlay_gain_high"]
    assert "overlay_gain" not in findings.metrics["Equal weight"]


def test_the_last_day_stands_side_by_side(overlaid):
    source, result = overlaid
    risk = source.settings.risk.model_copy(update={"limits": ()})
    plain = source.settings.model_copy(update={"risk": risk})
    findings = find_portfolios(type(source)(plain, source.data, source.prepared), result)
    section = next(each for each in findings.page.sections if each.title == "Risk on the last day")
    assert section.parts[0].columns == ("", "Equal weight", "Equal weight with overlay")


def test_every_level_that_moved_is_kept_with_its_reason(overlaid):
    source, result = overlaid
    changes = (
        LevelChange("2020-03-02", "loss", 0.02, 0.01, "volatility is extreme: 50%"),
        LevelChange("2020-06-01", "loss", 0.01, 0.02, "conditions and trust are back"),
    )
    (use,) = result.overlays
    moved = replace(result, overlays=(replace(use, changes=changes),))
    findings = find_portfolios(source, moved)
    table = findings.tables["limit_levels"].to_pylist()
    assert table[0] == {
        "portfolio": "Equal weight",
        "limit": "loss",
        "day": "2020-03-02",
        "before": 0.02,
        "after": 0.01,
        "why": "volatility is extreme: 50%",
    }
    assert len(table) == 2
    section = next(each for each in findings.page.sections if each.title.startswith("What the risk overlay"))
    assert section.parts[1].text == (
        "Equal weight: levels moved 2 times, last loss on 2020-06-01 from 0.01 to 0.02: conditions and trust are back"
    )
