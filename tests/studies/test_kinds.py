"""Kinds by name, and the settings files that name them."""

from pathlib import Path

import pytest

from quantray.errors import InputError
from quantray.research.kind import Kind, StudySettings
from quantray.studies.kinds import KINDS, find_kind, read_study

FOLDER = Path(__file__).parents[2] / "workflows" / "configs"
CONFIGS = [
    path
    for path in sorted(FOLDER.glob("*.yaml"))
    if path.stem not in ("daily", "limits", "trading_day", "trading_day_full")
]
"""Of studies."""
NOTHING = 1


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_found_and_named_alike(name):
    kind = find_kind(name)
    assert isinstance(kind, Kind)
    assert kind.name == name == kind.settings.model_fields["kind"].default
    assert issubclass(kind.settings, StudySettings)
    assert kind.question.endswith("?")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_shipped_settings_name_their_kind(path):
    kind, settings = read_study(path)
    assert (settings.kind, settings.name) == (kind.name, path.stem)


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        ("name: x", None, "names no kind of study; add `kind: portfolios` .kinds are portfolios, forecasts"),
        ("name: x", "sweep", "add `kind: sweep`"),
        ("kind: 3", None, "names no kind"),
        ("kind: sweeps", None, "kind 'sweeps' is unknown; did you mean 'sweep'"),
        ("kind: sweep", "portfolios", "is of kind sweep, not portfolios; run it with `quantray run"),
        ("kind: no.such.module:KIND", None, "cannot be imported.*is it installed"),
        ("kind: quantray.errors:NOTHING", None, "cannot be imported"),
        ("kind: quantray.errors:InputError", None, "is a type; it must be a quantray.research.kind.Kind"),
        ("kind: sweep\nname: x\ndata: {kind: simulated}\ncosts_bps: 5\nsamples: 100", None,
         r"an older layout; for costs_bps write costs\.half_spread_bps.*; for samples write resampling\.samples"),
        ("kind: forecasts\nname: x\ndata: {kind: simulated}\nmodels: [{name: A}]\nfolds: {lag: 2}", None,
         r"for folds\.lag write accounting\.execution_lag"),
        ("kind: tuning\nname: x\nspace: {a: {kind: uniform, low: 0, high: 1}}\ntarget: {kind: forecasts, study: s, "
         "model: GAT}", None, r"for target\.kind write nothing.*; for target\.model write target\.subject"),
    ],
)  # fmt: skip
def test_files_that_name_no_study_are_refused_in_a_line(tmp_path, content, kind, words):
    path = tmp_path / "s.yaml"
    path.write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        read_study(path, kind=kind)
    assert "\n" not in str(caught.value)
