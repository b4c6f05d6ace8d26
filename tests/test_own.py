"""What users bring is found by path or by registered name, and refused in a line."""

import sys
from importlib.metadata import entry_points

import numpy as np
import own_rules
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from quantray.errors import InputError, SolverError
from quantray.own import arguments, called, is_fitted, made, numbers, own_path, own_thing, registered


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A function: an installed package that registers allocators, as lines ``name = module:name``."""

    def install(name, *lines):
        about = tmp_path / f"{name}-2.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.0\n")
        (about / "entry_points.txt").write_text("\n".join(["[quantray.allocators]", *lines]))

    monkeypatch.syspath_prepend(tmp_path)
    registered.cache_clear()
    yield install
    registered.cache_clear()


def test_a_path_leads_to_functions_and_classes():
    assert own_thing("own_rules:tilted", "allocators") is own_rules.tilted
    assert own_thing("own_rules:Tilted", "allocators") is own_rules.Tilted
    assert is_fitted(own_rules.Tilted)
    assert not is_fitted(own_rules.tilted)
    assert arguments(own_rules.tilted) == ("returns", "power")
    assert own_path("nobody", "allocators") is None


def test_packages_register_names(package):
    package("fine", "calm = own_rules:tilted")
    assert own_path("calm", "allocators") == "own_rules:tilted"
    assert own_thing("calm", "allocators") is own_rules.tilted
    assert entry_points(group="quantray.allocators")["calm"].dist.version == "2.0"


def test_two_packages_may_not_register_one_name(package):
    package("fine", "calm = own_rules:tilted")
    package("other", "calm = own_rules:Tilted")
    with pytest.raises(InputError, match="'calm' is registered as own_rules:.* and as own_rules:"):
        registered("allocators")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "own_rules:tiltet",
            "allocator 'own_rules:tiltet' cannot be imported: module own_rules has no 'tiltet'; did you mean 'tilted'",
        ),
        ("own_rules:zzz", r"module own_rules has no 'zzz'; it is .*own_rules\.py"),
        ("no_such_module:rule", "cannot be imported: No module named 'no_such_module'; is it installed"),
        ("own_rules:number", "is a float; name a function or a class"),
        (
            "own_rules:unpicklable",
            "'own_rules:unpicklable' cannot be pickled .*; define it with def or class at the top",
        ),
        ("nobody", "'nobody' is no import path such as module:name, and no package registers it"),
    ],
)
def test_what_cannot_be_used_is_refused(name, told):
    with pytest.raises(InputError, match=told):
        own_thing(name, "allocators")


def test_a_module_that_fails_is_named(tmp_path, monkeypatch):
    (tmp_path / "broken_rules_of_a_user.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="cannot be imported: ZeroDivisionError: division by zero"):
        own_thing("broken_rules_of_a_user:rule", "allocators")
    assert "broken_rules_of_a_user" not in sys.modules


def test_parameters_that_nobody_takes_are_refused():
    with pytest.raises(InputError, match=r"rule: parameters do not fit \(.*'colour'\); its parameters are power"):
        called(own_rules.tilted, None, {"colour": 1}, "weights_", "rule")
    with pytest.raises(InputError, match="its parameters are power"):
        called(own_rules.Tilted, None, {"colour": 1}, "weights_", "rule")
    with pytest.raises(InputError, match="it has none"):
        called(own_rules.sample, None, {"colour": 1}, "weights_", "rule")
    with pytest.raises(SolverError, match="rule raised AttributeError: .*covariance_"):
        called(own_rules.Tilted, own_rules.np.eye(3)[:, :2], {}, "covariance_", "rule")


def test_what_makes_something_takes_its_parameters_alone():
    assert made(own_rules.Tilted, {"power": 3.0}, "it").power == 3.0
    with pytest.raises(InputError, match=r"it: parameters do not fit \(.*'scale'\); its parameters are power"):
        made(own_rules.Tilted, {"scale": 3.0}, "it")
    with pytest.raises(SolverError, match="it raised ValueError: .*invalid literal"):
        made(_breaks, {}, "it")


def _breaks():
    return int("three")


def test_numbers_are_those_that_were_given():
    days, assets = np.array(["2024-01-02", "2024-01-03"], "datetime64[D]"), np.array(["A", "B", "C"])
    values = np.arange(6.0).reshape(2, 3)
    frame = pd.DataFrame(values, index=pd.DatetimeIndex(days), columns=assets)
    for given in (values, values.tolist(), values.astype(object), pd.DataFrame(values), frame):
        assert_array_equal(numbers(given, "it", "(2, 3)", (days, assets)), values)
    assert_array_equal(numbers(np.ma.masked_less([1, 2], 2), "it", "(2,)"), [np.nan, 2.0])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (np.array([1.0 + 0j, 0.0]), "it gave complex numbers; it must give weights, so take .real"),
        ([1j, 0.0], "it gave complex numbers"),
        (pd.Series([0.2, 0.8], index=[1, 0]), r"it gave a Series whose labels .* but 1, 0\.\.\.; it must give"),
        (pd.Series([0.2, 0.8], index=["B", "A"]), "labels are not those of the data in their order, but B, A"),
        (pd.DataFrame(np.eye(2), index=["A", "B"], columns=["B", "A"]), "but B, A"),
        (map(float, "12"), "it gave a map; it must give weights"),
    ],
)
def test_numbers_of_another_kind_or_order_are_refused(given, told):
    with pytest.raises(SolverError, match=told):
        numbers(given, "it", "weights", (np.array(["A", "B"]), np.array(["A", "B"])))


def test_what_ends_the_program_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a_program_of_mine.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="cannot be imported: its module ends the program; do that under"):
        own_thing("a_program_of_mine:main", "allocators")
    with pytest.raises(SolverError, match="rule raised SystemExit: 3"):
        called(sys.exit, 3, {}, "", "rule")
