"""What a unit's key names: the release or the code, libraries and kernels."""

import sys
from pathlib import Path

import pytest

import quantray
from quantray.research import provenance
from quantray.research.own_code import code_of
from quantray.research.provenance import Origin, difference, is_checkout, traits, unit_key

ORIGIN = Origin(("quantray.portfolio.hrp:hrp_weights",), ("numpy", "scipy"))


@pytest.fixture(autouse=True)
def fresh():
    provenance._code.cache_clear()
    yield
    provenance._code.cache_clear()


def test_traits_name_code_libraries_and_kernels(monkeypatch):
    found = traits(ORIGIN)
    assert list(found) == ["code", "numpy", "scipy", "blas", "numerics"]
    monkeypatch.setattr(provenance, "is_checkout", lambda root: True)
    provenance._code.cache_clear()
    source = traits(ORIGIN)["code"]
    assert source.startswith("source ")
    assert traits(Origin(("quantray.portfolio.naive:equal_weights",), ORIGIN.libraries))["code"] != source
    monkeypatch.setattr(provenance, "is_checkout", lambda root: False)
    provenance._code.cache_clear()
    assert traits(ORIGIN)["code"].startswith("release ")
    assert traits(Origin(ORIGIN.code, (), numerics="any"))["numerics"] == "any"


def test_a_checkout_has_the_package_beside_its_project_file(tmp_path):
    root = tmp_path / "quantray"
    root.mkdir()
    assert not is_checkout(root)
    for text, found in (
        ("[project]\nname = 'other'", False),
        ("[project", False),
        ("[project]\nname='quantray'", True),
    ):
        (tmp_path / "pyproject.toml").write_text(text)
        assert is_checkout(root) == found
    assert is_checkout(Path(quantray.__file__).parent)


def test_a_users_own_module_counts_with_its_code(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    origin = Origin((*ORIGIN.code, "own_rules_of_a_user:Rule"), ("numpy",))
    digests = []
    for text in ("class Rule:\n    '''A.'''\n    x = 1", "class Rule:\n    # B\n    x = 1", "class Rule:\n    x = 2"):
        (tmp_path / "own_rules_of_a_user.py").write_text(text)
        provenance._code.cache_clear()
        code_of.cache_clear()
        digests.append(traits(origin)["code"])
    sys.modules.pop("own_rules_of_a_user", None)
    assert digests[0] == digests[1] != digests[2]


def test_keys_follow_data_settings_and_origin():
    keys = [
        unit_key(["data"], {"a": 1}, origin=ORIGIN),
        unit_key(["other"], {"a": 1}, origin=ORIGIN),
        unit_key(["data"], {"a": 2}, origin=ORIGIN),
        unit_key(["data"], {"a": 1}, origin=Origin(ORIGIN.code, ("numpy",))),
    ]
    assert len(set(keys)) == 4
    assert unit_key(["data"], {"a": 1}, origin=ORIGIN) == keys[0]


def test_what_differs_is_said():
    driver = {"code": "release 1", "numpy": "2.1", "blas": "3", "numerics": "A"}
    said = difference(driver, driver | {"numpy": "2.2", "code": "release 2"})
    assert said.startswith("a worker differs from the driver: code release 2 there and release 1 here; numpy 2.2 there")
    said = difference(driver, {name: value for name, value in driver.items() if name != "blas"})
    assert "blas missing there and 3 here" in said
    assert "numerics class B and the driver in A" in difference(driver, driver | {"numerics": "B"})
