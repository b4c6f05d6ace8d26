"""Plans carry over what miniatures took: exactly where time grows as the shape says."""

import time
from dataclasses import replace

import pytest
from counted_runs import Settings, source_in

from quantray.errors import InputError
from quantray.research.kind import Kind
from quantray.research.metering import Spent, peak_bytes
from quantray.research.planning import plan_study
from quantray.research.sizing import Outline, Part, Sizing
from quantray.research.units import note_work


def kind_of(make_panel, tmp_path, price, *, whole=400, **changes):
    """A kind whose ``size`` units of the part "counts" take what a price says, and one of "start" takes 7 s."""

    def outline(source, seen):
        size = source.settings.size
        parts = {"counts": Part(size, (float(size**2),), float(size)), "start": Part(1)}
        return Outline(parts, notes=("All count.",))

    def smaller(source, share):
        size = max(2, round(share * source.settings.size))
        return replace(source, settings=source.settings.model_copy(update={"size": size}))

    def run(source, executor):
        size = source.settings.size
        note_work("counts", size, Spent("far:1", price(size), price(size) / 2, peak_bytes()))
        note_work("start", 1, Spent("far:1", 7.0, 7.0, 0))
        return size

    def load(settings):
        return replace(source_in(tmp_path, make_panel), settings=settings)

    sizing = Sizing(outline=outline, smaller=smaller, run=run)
    values = {"name": "counting", "question": "How many?", "settings": Settings, "load": load, "run": run}
    found = Kind(**values | {"findings": None, "sizing": sizing} | changes)
    return found, Settings(name="s", size=whole, runs=str(tmp_path / "runs"))


def test_what_grows_as_the_shape_says_is_planned_exactly(make_panel, tmp_path):
    kind, settings = kind_of(make_panel, tmp_path, lambda size: 0.5 * size + 0.25 * size**2)
    plan = plan_study(kind, settings, calibrate=0)
    counts, start = plan.parts
    assert (counts.name, counts.units, start.units, plan.units) == ("counts", 400, 1, 401)
    # Half of the time is the processor's, and so much a free machine would take.
    assert counts.cpu_seconds == pytest.approx((0.5 * 400 + 0.25 * 400**2) / 2)
    assert counts.seconds == pytest.approx(counts.cpu_seconds)
    assert start.seconds == pytest.approx(7.0)
    assert plan.unit_seconds == pytest.approx(counts.seconds + 7.0)
    assert plan.notes == ("All count.",)
    assert len(plan.miniatures) == 2
    assert plan.miniatures[0] < plan.miniatures[1] < 0.5
    assert plan.worker_bytes > plan.shared_bytes
    # Nothing is left where the study would run.
    assert not (tmp_path / "runs").exists()


def test_a_small_study_runs_as_its_own_miniature(make_panel, tmp_path):
    kind, settings = kind_of(make_panel, tmp_path, lambda size: 1.0 * size**3, whole=3)
    plan = plan_study(kind, settings, calibrate=100)
    assert plan.miniatures[-1] == 1.0
    assert plan.parts[0].seconds == pytest.approx(27 / 2, rel=0.2)


def test_a_busy_machine_makes_no_smaller_miniatures(make_panel, tmp_path, monkeypatch):
    clock = time.perf_counter
    monkeypatch.setattr(time, "perf_counter", lambda: 1000 * clock())
    kind, settings = kind_of(make_panel, tmp_path, float)
    assert len(plan_study(kind, settings, calibrate=20).miniatures) == 4


def test_a_kind_that_says_nothing_of_its_shape_is_refused(make_panel, tmp_path):
    kind, settings = kind_of(make_panel, tmp_path, float, sizing=None)
    with pytest.raises(InputError, match="kind counting cannot be planned: its Kind has no sizing"):
        plan_study(kind, settings)
