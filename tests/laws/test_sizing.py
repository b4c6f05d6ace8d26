"""Every kind says its shape, so that what a run takes is known before it runs; and the shape is that of its runs."""

import pytest

from quantray.research.executor import Serial
from quantray.research.sizing import Sizing
from quantray.research.units import metered
from quantray.studies.kinds import KINDS as ALL
from quantray.studies.kinds import find_kind
from quantray.studies.scale.study import MEASURED

pytestmark = pytest.mark.slow

KINDS = ("portfolios", "capacity", "forecasts", "scale", "sweep", "combination", "regimes", "institutional")


def agree(kind, outline, ran):
    """Whether as many units ran as a shape says, or fewer where it depends on what is found how many are different."""
    assert set(outline.parts) == set(ran)
    fewer = {"sweep": ("replays",), "institutional": ("strategies", "books", "overlays", "ways", "replays")}
    return all(
        ran[name].units <= part.units if name.startswith(fewer.get(kind, ("-",))) else ran[name].units == part.units
        for name, part in outline.parts.items()
    )


@pytest.mark.parametrize("kind", ALL)
def test_every_kind_says_its_shape(kind):
    assert isinstance(find_kind(kind).sizing, Sizing), (
        f"give the Kind of {kind} a sizing, as quantray/studies/portfolios/sizing.py is; quantray plan needs it"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_units_that_are_planned_are_those_that_run(kind, finished, studies, tmp_path):
    found, settings = find_kind(kind), studies.settings(kind, tmp_path)
    planned = found.sizing.outline(found.load(settings), None)
    ran = dict(finished[kind].about.took.parts)
    if kind == "scale":
        # Which the laws do not let it measure.
        assert planned.parts.pop(MEASURED).units == 1
    assert agree(kind, planned, ran)
    assert all(size > 0 for part in planned.parts.values() for size in part.size)


@pytest.mark.parametrize("kind", KINDS)
def test_a_miniature_runs_in_the_parts_of_the_study_and_is_smaller(kind, studies, tmp_path):
    found = find_kind(kind)
    source = found.load(studies.settings(kind, tmp_path))
    whole, small = found.sizing.outline(source, None), found.sizing.smaller(source, 0.02)
    outline = found.sizing.outline(small, None)
    assert set(outline.parts) == set(whole.parts)
    for name, part in outline.parts.items():
        assert part.units <= whole.parts[name].units
        assert all(0 < few <= all_ for few, all_ in zip(part.size, whole.parts[name].size, strict=True))
    assert len(outline.driver) == len(whole.driver)
    # Nothing shrinks but days, folds and sets: a unit is on as many names.
    assert small.panel.shape[1] == source.panel.shape[1]
    if kind != "scale":  # tests/studies/scale runs a new process for it
        with metered() as meter:
            found.run(small, Serial())
        assert agree(kind, outline, meter.parts)
