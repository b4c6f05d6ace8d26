"""What can be listed is what settings take."""

import pytest

from quantray.data.vendors.formats import formats
from quantray.errors import InputError
from quantray.features.catalogue import FEATURES
from quantray.own import registered
from quantray.research.market import UniverseSettings
from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.forecasts.settings import KINDS, ModelSettings
from quantray.studies.offered import OFFERED, offers
from quantray.studies.portfolios import settings


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that registers a rule, one that is not there, and an estimator."""
    about = tmp_path / "fine-2.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fine\nVersion: 2.0\n")
    (about / "entry_points.txt").write_text(
        "[quantray.allocators]\ncalm = own_rules:tilted\ngone = own_rules:nothing\n"
        "[quantray.estimators]\nshrunk = own_rules:Shrunk\n"
        "[quantray.forecasters]\ntrend = own_forecasters:Trend\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registered.cache_clear()
    yield
    registered.cache_clear()


@pytest.mark.parametrize(
    ("what", "names", "taker"),
    [
        ("allocators", settings.RULES, settings.AllocatorSettings),
        ("estimators", settings.ESTIMATORS, settings.AllocatorSettings),
        ("forecasters", KINDS, ModelSettings),
    ],
)
def test_all_that_settings_take_is_listed_with_a_line(what, names, taker):
    listed = offers(what)
    assert tuple(each.name for each in listed) == names
    assert all(each.about.endswith(".") and each.origin == "quantray" for each in listed)
    assert {word for each in listed for word in each.parameters.split(", ") if word} <= set(taker.model_fields)


def test_every_strategy_is_listed_with_what_a_search_may_change():
    listed = {each.name: each for each in offers("strategies")}
    assert tuple(listed) == tuple(CATALOGUE)
    assert all(each.about.endswith(".") for each in listed.values())
    assert listed["momentum_5_20"].parameters == "fast, slow, stop"


def test_costs_are_listed_as_settings_say_them():
    listed = offers("costs")
    assert [each.name for each in listed] == ["spread", "impact: linear", "impact: three_fifths", "impact: square_root"]
    assert listed[0].parameters == "half_spread_bps, commission_bps"
    assert all(each.about.endswith(".") for each in listed)


def test_features_are_listed_with_what_they_are():
    listed = {each.name: each.about for each in offers("features")}
    assert tuple(listed) == tuple(FEATURES)
    assert listed["return_5"] == "Return over 5 days."


def test_formats_are_listed_with_what_their_prices_account_for():
    listed = {each.name: each.about for each in offers("formats")}
    assert tuple(listed) == tuple(form.name for form in formats())
    assert all("; prices " in about for about in listed.values())


def test_universes_are_listed_as_settings_say_them():
    listed = offers("universes")
    assert [each.name for each in listed][:5] == ["everything", "band", "members", "symbols", "preset: sp500-like"]
    words = {word for each in listed for word in each.parameters.split(", ") if word}
    assert words <= set(UniverseSettings.model_fields)
    assert all(each.about for each in listed)


def test_what_packages_register_comes_with_where_it_lies_and_may_be_named(package):
    calm, gone = offers("allocators")[-2:]
    assert (calm.name, calm.origin, calm.parameters, calm.about) == (
        "calm", "fine 2.0, own_rules:tilted", "power=1.0", "Calm names get more.",
    )  # fmt: skip
    assert "cannot be imported" in gone.about
    assert offers("estimators")[-1].parameters == "share=0.5"
    allocator = settings.AllocatorSettings(name="x", rule="calm", estimator="shrunk", parameters={"power": 2.0})
    assert (allocator.own_rule, allocator.own_estimator) == ("own_rules:tilted", "own_rules:Shrunk")
    (trend,) = offers("forecasters")[len(KINDS) :]
    assert (trend.parameters, trend.about) == ("days=20, sign=1.0", "What rose goes on rising.")
    assert ModelSettings(name="x", kind="trend").own == "own_forecasters:Trend"


def test_what_cannot_be_listed_is_refused():
    with pytest.raises(InputError, match="'allocator' cannot be listed; did you mean 'allocators'"):
        offers("allocator")
    assert set(OFFERED) == {
        "allocators", "costs", "estimators", "features", "forecasters", "formats", "strategies", "universes",
    }  # fmt: skip
