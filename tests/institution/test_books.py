"""A firm as data: what holds together is read, and what does not is named in a line."""

from decimal import Decimal

import pytest
import yaml

from quantray.errors import InputError
from quantray.institution.books import InstitutionSettings, read_institution, synthetic_institution
from quantray.settings import read_settings, to_yaml

FIRM = """
firm: {name: Small, capital: 100, limits: {gross: 100}}
pms:
  ann: {capital: 60}
  bob: {capital: 40}
strategies:
  fast: {pm: ann, rule: momentum_5_20, parameters: {fast: 4}}
  slow: {pm: bob, rule: rsi_14}
accounts:
  a1: {pm: ann, cash: 40, taxpayer: smith, lots: hifo, restricted: [XYZ]}
  a2: {pm: ann, cash: 20, taxpayer: smith, retirement: true}
  b1: {pm: bob, cash: 40}
"""


def changed(tmp_path, *places):
    """The firm with some places changed, as a file."""
    content = yaml.safe_load(FIRM)
    for place, value in places:
        *way, last = place.split(".")
        inside = content
        for step in way:
            inside = inside[step]
        if value is None:
            del inside[last]
        else:
            inside[last] = value
    path = tmp_path / "firm.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_firm_is_read_and_written(tmp_path):
    firm = read_institution(changed(tmp_path))
    assert firm.accounts_of("ann") == ("a1", "a2")
    assert firm.strategies_of("bob") == ("slow",)
    smith = [account for account in firm.tax_accounts() if account.taxpayer == "smith"]
    assert [(account.id, account.method, account.kind) for account in smith] == [
        ("a1", "hifo", "taxable"),
        ("a2", "fifo", "ira"),
    ]
    # Whoever says nothing of taxes is a taxpayer alone.
    assert firm.tax_accounts()[2].taxpayer == "b1"
    (tmp_path / "again.yaml").write_text(to_yaml(firm))
    assert read_settings(InstitutionSettings, tmp_path / "again.yaml") == firm


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("pms.bob.capital", 50, "the pms have 110 of capital together, the firm 100"),
        ("accounts.b1.cash", 41, "the accounts of pm bob hold 41 in cash, more than the capital 40"),
        ("accounts.b1.pm", "eve", "account b1 belongs to 'eve', who is none of ann, bob"),
        ("accounts.b1.pm", None, "accounts.b1.pm"),
        ("strategies.slow.pm", "eve", "strategy slow belongs to 'eve'"),
        ("accounts.b1", None, "pm bob has no account"),
        ("strategies.slow", None, "pm bob has no strategy"),
        ("strategies.slow.rule", "rsi_15", "strategy 'rsi_15' is unknown; did you mean 'rsi_14'"),
        ("strategies.slow.parameters", {"wave": 3}, "rsi_14 has no parameter wave"),
        ("strategies.a1", {"pm": "ann", "rule": "rsi_14"}, "'a1' names two of the firm: a strategy and a account"),
        ("accounts.B1", {"pm": "bob"}, "names two of the firm"),
        ("accounts.b1.lots", "dearest", "accounts.b1.lots"),
        ("accounts.b1.kind", "trust", "accounts.b1.kind"),
        ("accounts.b1.colour", "red", "colour"),
        ("pms.ann.limits", {"capital": 3}, "limit capital is said twice"),
        ("pms.ann.sharing", "custom", "sharing custom needs numbers"),
        ("pms.ann.capital", 0, "pms.ann.capital"),
        ("pms", {}, "pms"),
    ],
)
def test_what_does_not_hold_together_is_named(tmp_path, place, value, said):
    with pytest.raises(InputError) as caught:
        read_institution(changed(tmp_path, (place, value)))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_exclusive_mandates_keep_apart(tmp_path):
    def mandates(ann, bob):
        return changed(tmp_path, ("pms.ann.mandate", ann), ("pms.bob.mandate", bob))

    apart = mandates({"symbols": ["A", "B"], "exclusive": True}, {"symbols": ["C"]})
    assert read_institution(apart).pms["ann"].mandate.exclusive
    shared = mandates({"symbols": ["A", "B"]}, {"symbols": ["B"]})
    assert read_institution(shared).pms["bob"].mandate.symbols == ("B",)
    with pytest.raises(InputError, match="mandates of ann and bob overlap in B, and one is exclusive"):
        read_institution(mandates({"symbols": ["A", "B"], "exclusive": True}, {"symbols": ["B", "C"]}))
    with pytest.raises(InputError, match="the mandate lists B twice"):
        read_institution(mandates({"symbols": ["A"]}, {"symbols": ["B", "C", "B"]}))
    with pytest.raises(InputError, match="mandates of ann and bob overlap, and one is exclusive; list symbols"):
        read_institution(mandates({"symbols": ["A"], "exclusive": True}, {}))


def test_keys_that_are_said_twice_and_empty_files_are_refused(tmp_path):
    path = tmp_path / "firm.yaml"
    path.write_text(FIRM + "  b1: {pm: ann, cash: 1}\n")
    with pytest.raises(InputError, match="b1"):
        read_institution(path)
    path.write_text("")
    with pytest.raises(InputError, match="must hold settings"):
        read_institution(path)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 7, 2), (10, 10, 50)])
def test_synthetic_firms_have_the_size_asked_for(sizes):
    firm = synthetic_institution(*sizes, seed=1)
    pms, accounts, strategies = sizes
    assert (len(firm.pms), len(firm.accounts), len(firm.strategies)) == (pms, pms * accounts, pms * strategies)
    assert {len(firm.accounts_of(pm)) for pm in firm.pms} == {accounts}
    assert sum(account.cash for account in firm.accounts.values()) <= firm.firm.capital
    assert firm == synthetic_institution(*sizes, seed=1)


def test_a_synthetic_firm_of_a_capital_that_does_not_divide():
    firm = synthetic_institution(3, 3, 1, capital=Decimal(100))
    assert sum(pm.capital for pm in firm.pms.values()) <= 100
    with pytest.raises(InputError, match="give 1 or more"):
        synthetic_institution(0, 1, 1)
