"""Settings of a trading day: which firm and market they lead to, and what they refuse."""

import pytest
from pydantic import ValidationError

from quantray.errors import InputError
from quantray.institution.books import InstitutionSettings, synthetic_institution
from quantray.settings import to_yaml
from quantray.trading.settings import TradingDaySettings, memory_plan

SMALL = {"firm": {"pms": 2, "accounts": 1, "strategies": 1}, "market": {"kind": "simulated", "names": 5}, "minutes": 30}


def test_a_firm_that_is_made_up_has_mandates_of_its_own(tmp_path):
    firm, market = TradingDaySettings(**SMALL).load(tmp_path)
    mandates = [pm.mandate for pm in firm.pms.values()]
    assert sorted(symbol for each in mandates for symbol in each.symbols) == list(market.symbols)
    assert all(each.exclusive for each in mandates)
    assert len(market.today) == 13
    together = {**SMALL, "firm": {**SMALL["firm"], "mandates": "all"}}
    assert TradingDaySettings(**together).load(tmp_path)[0].pms["pm001"].mandate.symbols == ()


def test_a_firm_of_a_file(tmp_path):
    firm = synthetic_institution(1, 2, 3)
    (tmp_path / "firm.yaml").write_text(to_yaml(firm))
    assert TradingDaySettings(**{**SMALL, "firm": "firm.yaml"}).load(tmp_path)[0] == firm
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        TradingDaySettings(**{**SMALL, "firm": "nowhere.yaml"}).load(tmp_path)


def test_what_makes_no_sense_is_refused(tmp_path):
    with pytest.raises(InputError, match="6 pms cannot have names of their own among 5"):
        TradingDaySettings(**{**SMALL, "firm": {"pms": 6, "accounts": 1, "strategies": 1}}).load(tmp_path)
    with pytest.raises(InputError, match="a divisor of 390"):
        TradingDaySettings(**{**SMALL, "minutes": 7}).load(tmp_path)
    with pytest.raises(ValidationError, match="set worlds to ray"):
        TradingDaySettings(**SMALL, address="head:6379")
    with pytest.raises(ValidationError, match="pms\n.*greater than or equal to 1"):
        TradingDaySettings(**{**SMALL, "firm": {"pms": 0, "accounts": 1, "strategies": 1}})
    for key, value, why in (
        ("shares", {"S0001": 5}, "account pm001-a001 begins with shares, and what they cost is not known"),
        ("lots", "specific", "account pm001-a001 names the lots of each sale, and a day names none"),
    ):
        firm = synthetic_institution(1, 1, 1).model_dump()
        firm["accounts"]["pm001-a001"][key] = value
        (tmp_path / "firm.yaml").write_text(to_yaml(InstitutionSettings.model_validate(firm)))
        with pytest.raises(InputError, match=why):
            TradingDaySettings(**{**SMALL, "firm": "firm.yaml"}).load(tmp_path)


def test_memory_grows_with_managers_and_the_requirements_formula_is_its_own(tmp_path):
    market = TradingDaySettings(**SMALL).load(tmp_path)[1]
    ten = memory_plan(synthetic_institution(10, 10, 50), market)
    twenty = memory_plan(synthetic_institution(20, 10, 50), market)
    assert ten["requirement"] == 500 * 10 + 10 * 100 + 50 * 500
    assert twenty["worlds"] == pytest.approx(2 * ten["worlds"])
    assert ten["all"] == pytest.approx(ten["worlds"] + ten["driver"])
    assert memory_plan(synthetic_institution(10, 10, 50), market, apart=False)["all"] < 0.3 * ten["all"]
