"""Rules as data: read from YAML, and refused at the door with the name of what is wrong and what is known."""

from datetime import date
from decimal import Decimal

import pytest

from quantray.errors import InputError
from quantray.institution.rules import check_names, laws, read_rules


def read(tmp_path, text):
    (tmp_path / "rules.yaml").write_text("rules:\n" + text)
    return read_rules(tmp_path / "rules.yaml")


def test_read(tmp_path):
    cap, none = read(
        tmp_path,
        "  - {id: cap, kind: position, at_most: 0.05, severity: warn, scope: {kinds: [margin]}, may_override: [a, b]}\n"
        "  - {id: no tobacco, kind: prohibited, symbols: [AAA], effective: 2026-01-01, expires: 2026-12-31}\n",
    )
    assert (cap.at_most, cap.severity, cap.scope.kinds) == (Decimal("0.05"), "warn", ("margin",))
    assert none.severity == "block"
    assert [none.in_force(date(year, 6, 1)) for year in (2025, 2026, 2027)] == [False, True, False]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("{id: r, kind: position, at_most: 0.05, most: 1}", "most"),
        ("{id: r, kind: positon, at_most: 0.05}", "positon"),
        ("{id: r, kind: position}", "at_most"),
        ("{id: r, kind: position, at_most: 2}", "less than or equal to 1"),
        ("{id: r, kind: market_cap, at_least: .nan}", "at_least|nan"),
        ("{id: r, kind: locate, scope: {kinds: [marginal]}}", "'margin'"),
        ("{id: r, kind: locate, scope: {desk: [x]}}", "desk"),
        ("{id: r, kind: asset_class, allowed: [equities]}", "'equity'"),
        ("{id: r, kind: locate, scope: {asset_classes: [bond]}}", "'fixed income'"),
        ("{id: r, kind: locate, severity: fatal}", "'block'"),
        ("{id: r, kind: asset_class}", "allowed, or those that are prohibited"),
        ("{id: r, kind: prohibited, symbols: []}", "symbols"),
        ("{id: r, kind: locate, effective: 2026-02-01, expires: 2026-01-01}", "before it is effective"),
        ("{id: r, kind: locate, may_override: [cat]}", "needs two people"),
        ("{id: r, kind: locate, may_override: [cat, cat]}", "none of them twice"),
    ],
)
def test_refused_at_the_door(tmp_path, line, text):
    with pytest.raises(InputError, match=text):
        read(tmp_path, f"  - {line}\n")


def test_two_of_one_name(tmp_path):
    with pytest.raises(InputError, match="two rules are called 'r'"):
        read(tmp_path, "  - {id: r, kind: locate}\n" * 2)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("kind: prohibited, symbols: [AAB]", "rule 'r': there is no symbol 'AAB'; did you mean 'AAA'"),
        ("kind: locate, scope: {accounts: [Z9]}", "no account 'Z9'; there are A1"),
        ("kind: locate, scope: {pms: [zoe]}", "no pm 'zoe'; there are ann"),
        ("kind: locate, scope: {symbols: [XYZ]}", "no symbol 'XYZ'; there are AAA, BBB"),
    ],
)
def test_a_name_that_there_is_not(tmp_path, line, text):
    found = read(tmp_path, f"  - {{id: r, {line}}}\n")
    with pytest.raises(InputError, match=text):
        check_names(found, ["ann"], ["A1"], ["AAA", "BBB"])


def test_the_laws_name_their_sources():
    check_names(laws(), [], [], [])
    assert all(rule.source for rule in laws())
    assert len({rule.id for rule in laws()}) == len(laws())
