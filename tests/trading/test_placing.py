"""What managers want becomes blocks: none is paid for with money that is not there, and none ends a day."""

from dataclasses import replace

import numpy as np
from bad_worlds import Says, decided, small_day

from quantray.institution.books import InstitutionSettings
from quantray.oms.replay import replay_database
from quantray.trading.bars import MarketDay
from quantray.trading.day import Day, DaySettings


def test_a_name_that_gaps_beyond_the_collar_is_not_paid_for_with_money_that_is_not_there(tmp_path):
    """Nearly all cash is to buy a name that then opens at twice its price; a little higher it is bought."""
    institution, market = small_day(1, accounts=1, minutes=30)
    content = institution.model_dump()
    content["firm"]["limits"].update(single_name=10**9, order_value=10**9, order_shares=10**9)
    firm, symbol = InstitutionSettings.model_validate(content), market.symbols[0]

    def buys(_, news):
        if news.bar != 1:
            return decided(news.bar)
        return decided(
            news.bar, (symbol, "buy", {name: int(0.94 * it.cash / news.close[0]) for name, it in news.accounts.items()})
        )

    def after(factor):
        def gapped(prices):
            rows = np.arange(len(prices))[:, None] >= 2
            return np.where(rows, (prices * factor).astype(np.int64) // 100 * 100, prices)

        today = replace(
            market.today,
            **{name: gapped(getattr(market.today, name)) for name in ("open", "high", "low", "close")},
            volume=market.today.volume * 10_000,
        )
        day = Day(
            firm, MarketDay(market.before, today), tmp_path / f"{factor}", settings=DaySettings(participation=0.9)
        )
        outcome = day.run(Says(buys))
        assert replay_database(day.database).findings == ()
        return outcome

    gone, near = after(2.0), after(1.01)
    assert [block.filled for block in gone.blocks] == [0]
    # As far as its own impact is within the collar, too.
    (block,) = near.blocks
    assert 0.8 * sum(block.demands.values()) < block.filled
    assert block.amount <= block.filled * 1.05 * market.today.close[1, 0]
    for outcome in (gone, near):
        assert min(holding.cash for holding in outcome.holdings.values()) >= 0


def test_what_a_world_says_beyond_all_measure_costs_its_manager_alone(tmp_path):
    institution, market = small_day(2, accounts=1, minutes=30)
    symbol = market.symbols[0]

    def says(pm, news):
        if pm == "pm002":
            return decided(news.bar)
        if news.bar < 2:
            return decided(news.bar, (symbol, "buy", {"pm001-a001": 10**12}), (symbol, "sell", {"pm001-a001": 1}), at=5)
        return decided(news.bar).replace(b'"at":', b'"at":1' + b"0" * 400)

    outcome = Day(institution, market, tmp_path / "day").run(worlds := Says(says))
    assert worlds.ended == {"pm001": "it says no decision: at: Input should be less than 9223372036854775808."}
    assert outcome.refused == {"malformed": 3, "position": 3}
    assert [bar for pm, bar in worlds.asked if pm == "pm002"] == list(range(-1, len(market.today)))
