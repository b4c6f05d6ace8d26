"""A day from bars to accounts: everything conserved, the log without a finding, and what was not traded said."""

from collections import Counter
from datetime import date

import pytest
from bad_worlds import Says, decided, small_day

from quantray.errors import InputError
from quantray.institution.books import InstitutionSettings
from quantray.oms.replay import replay_database
from quantray.trading.day import Day, DaySettings, world_settings
from quantray.trading.profit import day_lots, profit
from quantray.trading.record import digests
from quantray.trading.worlds import Here


def led(institution, market, folder, **how):
    day = Day(institution, market, folder, settings=DaySettings(**how))
    with Here(day.worlds) as worlds:
        return day, day.run(worlds)


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    institution, market = small_day()
    day, outcome = led(institution, market, tmp_path_factory.mktemp("day") / "day")
    return institution, market, day, outcome


def test_orders_are_traded_and_nobody_finds_a_breach(traded):
    _, _, day, outcome = traded
    assert outcome.orders > 30
    assert sum(block.filled > 0 for block in outcome.blocks) > 20
    assert {block.open for block in outcome.blocks} == {0}
    assert all(block.revision == 1 for block in outcome.blocks)
    replay = replay_database(day.database)
    assert replay.findings == ()
    assert replay.executions == sum(block.filled > 0 for block in outcome.blocks)
    assert not outcome.silent
    assert len(outcome.latencies) == len(outcome.blocks)


def test_shares_and_money_are_conserved(traded):
    """What accounts hold is what they began with and what the blocks traded, to the share and the unit of money."""
    institution, _, _, outcome = traded
    shares, cash = Counter(), sum(int(account.cash) * 10_000 for account in institution.accounts.values())
    for block in outcome.blocks:
        shares[block.symbol] += block.side.sign * block.filled
        cash -= block.side.sign * block.amount + block.fee
    held = Counter()
    for holding in outcome.holdings.values():
        held.update(holding.shares)
    assert +held == +shares
    assert sum(holding.cash for holding in outcome.holdings.values()) == cash


def test_profit_is_split_without_a_rest(traded):
    institution, _, _, outcome = traded
    earned = profit(institution, outcome)
    assert earned.firm == pytest.approx(sum(earned.accounts.values()))
    for pm in institution.pms:
        paper = sum(earned.paper[name] for name in institution.strategies_of(pm))
        assert paper + earned.implementation[pm] == pytest.approx(earned.managers[pm])
        assert earned.fees[pm] > 0
    assert any(earned.paper.values())


def test_lots_are_what_accounts_hold(traded):
    institution, _, _, outcome = traded
    book = day_lots(institution, outcome, date(2024, 1, 3))
    for account in institution.accounts:
        for symbol, count in outcome.holdings[account].shares.items():
            assert sum(lot.shares for lot in book.held(account, symbol)) == count
    # Money in lots and realised: all purchases less all sales.
    paid = sum(
        block.side.sign * share.amount + share.fee
        for block in outcome.blocks
        for name, share in block.shares.items()
        if name in institution.accounts
    )
    basis = sum(lot.money for lot in book.lots) + sum(it.basis - it.proceeds for it in book.realised)
    assert basis - sum(it.disallowed for it in book.realised) == paid or basis == paid


def test_the_same_day_again_is_the_same(traded, tmp_path):
    institution, market, _, outcome = traded
    _, again = led(institution, market, tmp_path / "day")
    assert digests(institution, again) == digests(institution, outcome)
    assert again.earned == outcome.earned
    _, other = led(institution, market, tmp_path / "other", venue="IEX")
    assert digests(institution, other) != digests(institution, outcome)


def test_what_a_client_does_not_want_is_left_out_and_said(tmp_path):
    institution, market = small_day(1)
    content = institution.model_dump()
    content["accounts"]["pm001-a001"]["restricted"] = [market.symbols[0]]
    firm = InstitutionSettings.model_validate(content)
    _, outcome = led(firm, market, tmp_path / "day")
    assert outcome.left_out["restricted"] > 0
    assert market.symbols[0] not in outcome.holdings["pm001-a001"].shares
    assert any(market.symbols[0] == block.symbol and block.filled for block in outcome.blocks)


def test_a_manager_who_floods_is_refused_and_the_other_trades_as_without_him(traded, tmp_path):
    institution, market, _, outcome = traded
    content = institution.model_dump()
    content["pms"]["pm001"]["rate"] = 1
    firm = InstitutionSettings.model_validate(content)
    _, flooded = led(firm, market, tmp_path / "day")
    assert flooded.refused["rate"] > 0
    assert digests(firm, flooded)["pm002"] == digests(institution, outcome)["pm002"]
    assert digests(firm, flooded)["pm001"] != digests(institution, outcome)["pm001"]


def test_a_days_folder_and_mandates_are_checked(traded, tmp_path):
    institution, market, day, _ = traded
    with pytest.raises(InputError, match="holds something already"):
        Day(institution, market, day._folder)
    content = institution.model_dump()
    for place, key, value, why in (
        ("pms", "mandate", {"symbols": ["XXX"]}, "the mandate of pm001 names XXX, of which the day has no bars"),
        ("accounts", "restricted", ["XXX"], "account pm001-a001 names XXX, of which the day has no bars"),
        ("accounts", "shares", {"XXX": 5}, "account pm001-a001 names XXX, of which the day has no bars"),
    ):
        content = institution.model_dump()
        next(iter(content[place].values()))[key] = value
        with pytest.raises(InputError, match=why):
            Day(InstitutionSettings.model_validate(content), market, tmp_path / "day")
    content = institution.model_dump()
    del content["firm"]["limits"]["net"]
    with pytest.raises(InputError, match="Synthetic Capital: .*the firm has no limit net"):
        Day(InstitutionSettings.model_validate(content), market, tmp_path / "day")
    assert not (tmp_path / "day").exists()


def test_settings_of_a_day_are_checked_before_anything_is_begun():
    for wrong, why in (
        ({"seconds": 0.0}, "seconds 0 must lie between 0 and 86,400"),
        ({"seconds": float("nan")}, "seconds nan"),
        ({"patience": -1}, "patience -1 not below 0"),
        ({"venue": "XXX"}, "venue 'XXX' is none of BATS, DARK_A"),
        ({"participation": 1.0}, "participation 1 must lie between 0 and 1"),
        ({"seed": -1}, "seed -1"),
    ):
        with pytest.raises(InputError, match=why):
            DaySettings(**wrong)


def test_a_clock_of_another_machine_is_not_believed(tmp_path):
    """Decided long before it was asked, or after it was heard: the time counts from the question on."""
    institution, market = small_day(1, accounts=1, minutes=30)

    def says(_, news):
        at = 5 if news.bar % 2 else 2**63 - 1
        return decided(news.bar, (market.symbols[0], "buy", {"pm001-a001": 1}), at=at)

    latency = Day(institution, market, tmp_path / "day").run(Says(says)).latency
    assert len(latency) == len(market.today)
    assert ((latency > 0) & (latency < 60_000)).all()


def test_the_last_bar_counts_on_paper_and_nothing_is_traded_after_it(tmp_path):
    institution, market = small_day(1, accounts=1, minutes=30)
    wish = (market.symbols[0], "buy", {"pm001-a001": 1})
    worlds = Says(lambda _, news: decided(news.bar, wish, earned={"pm001-s001": float(news.bar)}))
    outcome = Day(institution, market, tmp_path / "day").run(worlds)
    last = len(market.today) - 1
    assert worlds.asked[-1] == ("pm001", last)
    assert profit(institution, outcome).paper["pm001-s001"] == last
    assert len(outcome.blocks) == len(market.today)


def test_a_world_is_given_nothing_of_anybody_else(traded):
    institution, market, _, _ = traded
    one, other = world_settings(institution, market)
    assert not set(one.accounts) & set(other.accounts)
    assert not set(one.strategies) & set(other.strategies)
    assert "pm002" not in one.model_dump_json()
