"""The mistakes that ``make mutation`` makes: of each kind, and nowhere where they would change nothing."""

import ast
from pathlib import Path

import pytest
from _mutants import mutants_of

ROOT = Path(__file__).parents[1]


def lines(source):
    """The changed lines of a module of one line."""
    return {mutant.applied_to(source).strip() for mutant in mutants_of(source)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", {"(a <= b)"}),
        ("a == b < c", {"(a != b < c)"}),
        ("é + b", {"(é - b)"}),
        ("x += y", {"x -= y"}),
        ("a and b", {"(a or b)"}),
        ("-a", {"(a)"}),
        ("a = 2", {"a = (3)", "a = (1)"}),
        ("a = 2.0", {"a = 3.0"}),
        ("a = True", {"a = False"}),
        ("a[b:]", {"a[b + 1:]"}),
        ("a[:b]", {"a[:b - 1]"}),
        ("a[:, b:c]", {"a[:, b + 1:c]", "a[:, b:c - 1]"}),
        ("f()", {"pass"}),
        ("x = f(a, b)", {"x = (f(b, a))"}),
        ("x = f(a, a)", set()),
        ("x = abs(a)", {"x = (a)"}),
        ("x = float(a)", set()),
        ("x = a.any()", {"x = (a.all)()"}),
        ("x = a if b else c", {"x = a if (not b) else c"}),
        ("x = [a for a in b if c]", {"x = [a for a in b if (not c)]"}),
        ("while a: pass", {"while (not a): pass"}),
    ],
)
def test_each_kind(source, expected):
    assert lines(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""A text of 1 < 2."""',
        "def f(a: A | B) -> C | D: ...",
        "a: A | B = c",
        'x = f"{a + 1}"',
        "raise ValueError(1 + 2)",
        "assert a < b",
        "@f(1)\nclass A: ...",
        "import a",
    ],
)
def test_what_tests_cannot_see_is_left_alone(source):
    assert mutants_of(source) == []


def test_every_mistake_in_the_package_is_a_program_and_another_one():
    source = (ROOT / "quantray" / "backtest" / "accounts.py").read_text()
    found = [mutant.applied_to(source) for mutant in mutants_of(source)]
    assert len(found) > 100
    plain = ast.dump(ast.parse(source))
    assert all(ast.dump(ast.parse(text)) != plain for text in found)
