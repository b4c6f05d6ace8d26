"""What users write counts as far as it is reached, and what they install with its release."""

import importlib
import itertools
import sys
from importlib.metadata import version
from types import ModuleType

import pytest

from quantray.errors import InputError
from quantray.research.own_code import code_of

RULES = """
import numpy as np
from shared_by_rules_{n} import scale

def calm(returns):
    return scale(1 / np.nanstd(returns, axis=0))

def equal(returns):
    return np.ones(returns.shape[1])

def by_name(returns):
    return globals()["equ" + "al"](returns)

made = eval("equal")
"""
SHARED = "def scale(x):\n    return x / x.sum()\n\ndef unused(x):\n    return x\n"
number = itertools.count()


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A function: the code of each rule of a user's folder, after a change to one of its files."""
    monkeypatch.syspath_prepend(tmp_path)
    n = next(number)
    files = {f"rules_of_a_user_{n}": RULES.format(n=n), f"shared_by_rules_{n}": SHARED}

    def codes(file="", old="", new=""):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text.replace(old, new) if file and name.startswith(file) else text)
        importlib.invalidate_caches()
        code_of.cache_clear()
        names = ("calm", "equal", "by_name", "made")
        return {name: code_of(f"rules_of_a_user_{n}:{name}", None) for name in names}

    yield codes
    code_of.cache_clear()


@pytest.mark.parametrize(
    ("file", "old", "new", "concerned"),
    [
        ("rules", "1 / np", "2 / np", {"calm", "by_name", "made"}),
        ("rules", "np.ones", "2 * np.ones", {"equal", "by_name", "made"}),
        ("rules", "def calm(returns):", "def calm(returns):\n    '''Calm names.'''\n    # They get more.", set()),
        ("shared", "x / x.sum()", "x / x.max()", {"calm", "by_name", "made"}),
        ("shared", "return x\n", "return -x\n", set()),
        ("rules", 'eval("equal")', 'eval("calm")', {"by_name", "made"}),
    ],
)
def test_a_change_concerns_what_reaches_it(user, file, old, new, concerned):
    before = user()
    after = user(file, old, new)
    assert {name for name, code in after.items() if code != before[name]} == concerned


def test_what_a_rule_imports_counts_with_its_release(user):
    assert f"(numpy {version('numpy')})" in user()["calm"]


def test_a_release_counts_with_its_version_and_what_it_requires():
    code = code_of("skfolio.optimization:MeanRisk", None)
    assert code.startswith(f"skfolio {version('skfolio')} ")
    assert f"scikit-learn {version('scikit-learn')}" in code
    assert code_of("datetime:date", None).startswith("python 3.")
    assert code_of("no_such_module_of_a_user:rule", None) == "unknown"


def test_a_script_that_is_run_counts_as_a_whole(tmp_path, monkeypatch):
    script, main = tmp_path / "run_it.py", ModuleType("__main__")
    main.__file__ = str(script)
    monkeypatch.setitem(sys.modules, "__main__", main)
    codes = []
    for text in ("def f():\n    return 1\n", "def f():  # one\n    return 1\n", "def f():\n    return 2\n"):
        script.write_text(text)
        code_of.cache_clear()
        codes.append(code_of("__main__:f", None))
    assert codes[0] == codes[1] != codes[2]
    del main.__file__
    code_of.cache_clear()
    assert code_of("__main__:f", None) == "unknown"


def test_a_source_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "garbled_of_a_user.py").write_text("def f(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="garbled_of_a_user:f: its source cannot be read .*must lie in a .py file"):
        code_of("garbled_of_a_user:f", None)


def test_a_module_in_front_of_one_of_python_counts_as_its_user_writes_it(tmp_path, monkeypatch):
    assert code_of("colorsys:rgb_to_hls", None).startswith("python 3.")
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    codes = set()
    for text in ("1.0", "2.0"):
        (tmp_path / "colorsys.py").write_text(f"def rule(returns):\n    return {text}\n")
        importlib.invalidate_caches()
        code_of.cache_clear()
        codes.add(code_of("colorsys:rule", None))
    code_of.cache_clear()
    assert len(codes) == 2
    assert all(code.startswith("source ") for code in codes)
