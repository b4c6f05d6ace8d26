"""Settings name strategies of the catalogue, registered ones, and users' own with parameters and ranges."""

import pytest

from quantray.errors import InputError
from quantray.own import registered
from quantray.settings import SettingsModel, checked
from quantray.strategies.catalogue import CATALOGUE, Categorical, Range
from quantray.studies.evaluation.strategy_settings import (
    OwnStrategy,
    Strategy,
    catalogued,
    check_names,
    entry_of,
    named,
    trial_seconds_of,
)


class Study(SettingsModel):
    strategies: tuple[Strategy, ...]


def read(*strategies):
    return checked(Study, {"strategies": list(strategies)}, "s.yaml").strategies


OWN = {
    "name": "Mine",
    "rule": "own_strategies:dip",
    "parameters": {"gross": 0.5},
    "ranges": {"days": {"low": 2, "high": 6, "step": 2}, "gross": [0.5, 1.0]},
}


def test_each_way_of_naming_one_leads_to_an_entry():
    found = read("pairs", "own_strategies:dip", OWN)
    assert [named(each) for each in found] == ["pairs", "own_strategies:dip", "Mine"]
    assert catalogued(found) == ("pairs",)
    assert entry_of(found[0]) is CATALOGUE["pairs"]
    mine = entry_of(found[2])
    assert mine.parameters == {"days": Range(2, 6, 2), "gross": Categorical((0.5, 1.0))}
    assert mine.defaults() == {"days": 5, "gross": 0.5}
    assert [trial_seconds_of(each) for each in found] == [30.0] * 3
    assert checked(Study, Study(strategies=found).model_dump(mode="json"), "again").strategies == found


def test_a_package_registers_one(tmp_path, monkeypatch):
    about = tmp_path / "fine-2.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fine\nVersion: 2.0\n")
    (about / "entry_points.txt").write_text("[quantray.strategies]\ndip = own_strategies:dip\n")
    monkeypatch.syspath_prepend(tmp_path)
    registered.cache_clear()
    try:
        (found,) = read("dip")
        assert entry_of(found).literature == "own_strategies:dip"
    finally:
        registered.cache_clear()


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        ("pair", r"s.yaml: strategies.0: strategy 'pair' is unknown; did you mean 'pairs'\? choose one of"),
        ("own strategies:dip", "s.yaml: strategies.0: 'own strategies:dip' is no import path such as my_rules:dip"),
        (OWN | {"rule": "dap"}, "strategies.0.rule: strategy 'dap' is unknown"),
        (OWN | {"range": {}}, "unknown key 'strategies.0.range'; did you mean 'ranges'"),
        (OWN | {"ranges": {"days": []}}, "strategies.0.ranges.days"),
        (OWN | {"ranges": {"days": {"low": 1, "high": 3}}}, "strategies.0.ranges.days.step"),
        (OWN | {"ranges": {"days": 3}}, "strategies.0.ranges.days: "),
    ],
)
def test_what_nobody_has_is_refused(strategy, told):
    with pytest.raises(InputError, match=told):
        read(strategy)


def test_names_are_of_one_strategy_each():
    own = OwnStrategy(**OWN)
    with pytest.raises(ValueError, match="strategies repeat: Mine, Mine"):
        check_names([own, own])
    with pytest.raises(ValueError, match="'pairs' is the name of a rule of the catalogue"):
        check_names([OwnStrategy(**(OWN | {"name": "pairs"}))])


def test_ranges_are_values_that_differ_or_rise():
    with pytest.raises(InputError, match="of a range repeat"):
        entry_of(OwnStrategy(**(OWN | {"ranges": {"days": [2, 2]}})))
    with pytest.raises(InputError, match="must rise in positive steps"):
        entry_of(OwnStrategy(**(OWN | {"ranges": {"days": {"low": 2, "high": 1, "step": 1}}})))
