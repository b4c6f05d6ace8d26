import numpy as np
import pytest
from mixed_book import changes_of_drivers, mixed_book
from model_book import model_book

from quantray.covariance.factor import statistical_factors
from quantray.errors import InputError
from quantray.portfolio.solve import InfeasibleError
from quantray.risk.limiting.cure import Trading, each_cure, smallest_cure
from quantray.risk.limits import Limit, breaches, check
from quantray.risk.positions.book import Book
from quantray.risk.positions.sensitivities import sensitivities


def limit(name, metric, scope, hard, **more):
    return Limit(name=name, metric=metric, scope=scope, soft=0.9 * hard, hard=hard, **more)


def value(book, metric, scope):
    return check([limit("x", metric, scope, 1e9)], book)[0].value


EVERY = [
    ("gross", "book", 0.9),
    ("gross", "every name", 0.8),
    ("gross", "every sector", 0.9),
    ("net", "book", 0.8),
    ("net", "factor factor 1", 0.7),
    ("net", "every strategy", 0.9),
    ("var", "book", 0.8),
    ("es", "strategy value", 0.8),
    ("stress loss", "scenario crash", 0.5),
    ("liquidity days", "every name", 0.5),
    ("turnover", "book", 0.5),
]


@pytest.mark.parametrize(("metric", "scope", "share"), EVERY)
def test_every_metric_that_trades_change_is_cured_exactly(metric, scope, share):
    book = model_book(previous=np.zeros(40))
    hard = share * value(book, metric, scope)
    cure = smallest_cure([limit("one", metric, scope, hard)], book)
    assert not breaches(cure.uses, "hard")
    assert max(use.value for use in cure.uses) == pytest.approx(hard, rel=1e-4)
    assert ((cure.book.weights * book.weights >= -1e-12) & (np.abs(cure.book.weights) <= np.abs(book.weights))).all()


def test_one_trade_cures_all_and_is_no_larger_than_one_for_each():
    book = model_book()
    limits = [
        limit(f"{metric} {scope}", metric, scope, share * value(book, metric, scope))
        for metric, scope, share in (EVERY[1], EVERY[3], EVERY[6])
    ]
    each, together = each_cure(limits, book), smallest_cure(limits, book)
    assert len(each) == 3
    assert not breaches(together.uses, "hard")
    assert max(cure.traded for cure in each.values()) <= together.traded * (1 + 1e-5)
    assert together.traded <= sum(cure.traded for cure in each.values()) * (1 + 1e-5)


def test_one_name_is_sold_down_to_its_limit_by_hand():
    book = model_book(weights=np.r_[0.10, -0.08, np.full(38, 0.01)])
    cure = smallest_cure([limit("single name", "gross", "every name", 0.05)], book)
    assert np.allclose(cure.trades[:2], [-0.05, 0.03], atol=1e-6)
    assert np.isclose(cure.traded, 0.08, atol=1e-5)
    to_soft = smallest_cure([limit("single name", "gross", "every name", 0.05)], book, to="soft")
    assert not breaches(to_soft.uses)


def test_hedging_needs_less_trading_than_selling():
    book = model_book(short=0.0)
    rule = [limit("beta", "net", "factor factor 1", 0.1)]
    assert smallest_cure(rule, book, trading=Trading(hedging=True)).traded < smallest_cure(rule, book).traded


def test_without_hedging_positions_only_shrink_and_with_it_nothing_new_is_bought():
    book = model_book(weights=np.r_[np.full(4, 0.1), np.zeros(6), np.full(30, -0.05)])
    rule = [limit("net", "net", "book", 0.3)]
    sold = smallest_cure(rule, book).book.weights
    assert ((sold * book.weights >= 0) & (np.abs(sold) <= np.abs(book.weights) + 1e-12)).all()
    hedged = smallest_cure([limit("beta", "net", "factor factor 1", 0.01)], book, trading=Trading(hedging=True))
    assert not hedged.trades[4:10].any()
    assert np.abs(hedged.trades).max() > 0


def test_a_book_within_its_limits_is_left_alone():
    cure = smallest_cure([limit("gross", "gross", "book", 2.0)], model_book())
    assert cure.traded == 0
    assert each_cure([limit("gross", "gross", "book", 2.0)], model_book()) == {}


def test_a_book_of_every_kind_of_position_is_cured_through_its_drivers():
    holdings, market = mixed_book()
    model = statistical_factors(changes_of_drivers(60, 0.01), 2)
    book = Book.of(
        holdings, market, model, sensitivities(holdings, market), scenarios={"crash": np.linspace(0, 0.01, 6)}
    )
    rules = [
        limit("loss", "var", "book", 0.7 * value(book, "var", "book")),
        limit("crash", "stress loss", "every scenario", 0.02),
    ]
    cure = smallest_cure(rules, book)
    assert not breaches(cure.uses, "hard")
    assert max(use.usage for use in cure.uses) == pytest.approx(1, rel=1e-4)
    with pytest.raises(InputError, match="weights are"):
        book.at(np.ones(3))


def test_what_cannot_be_traded_makes_limits_infeasible_by_name():
    book = model_book()
    rules = [
        limit("gross", "gross", "book", 0.5),
        limit("single name", "gross", "every name", 1.0),
    ]
    with pytest.raises(InfeasibleError, match="brings the portfolio within gross; ease gross 0.5 -> 0.8"):
        smallest_cure(rules, book, trading=Trading(most=0.2 * np.abs(book.weights)))
    with pytest.raises(InfeasibleError, match="gross 0.5 -> 1"):
        smallest_cure(rules, book, trading=Trading(tradeable=np.zeros(40, dtype=bool)))


def test_the_past_is_left_as_it_is():
    book = model_book(returns=np.array([0.0, -0.3]))
    cure = smallest_cure([limit("drawdown", "drawdown", "book", 0.2), limit("gross", "gross", "book", 0.5)], book)
    assert cure.left == ("drawdown",)
    assert np.isclose(cure.traded, 0.5, atol=1e-5)


def test_terms_that_do_not_fit_are_refused():
    rules = [limit("gross", "gross", "book", 0.5)]
    with pytest.raises(InputError, match="most of a trade is -1"):
        smallest_cure(rules, model_book(), trading=Trading(most=np.full(40, -1.0)))
    with pytest.raises(InputError, match="tradeable is"):
        smallest_cure(rules, model_book(), trading=Trading(tradeable=np.ones(3, dtype=bool)))
    sold = model_book(weights=np.zeros(40))
    with pytest.raises(InputError, match="nothing is held of S0000"):
        sold.at(np.ones(40))


def test_what_cannot_be_counted_is_left_and_named():
    book = model_book(adv=np.r_[np.nan, np.full(39, 1.0)])
    hard = 0.5 * float(np.abs(book.weights[1:]).max()) / 0.1
    cure = smallest_cure([limit("days", "liquidity days", "every name", hard)], book)
    assert cure.trades[0] == 0
    assert not breaches(cure.uses, "hard")
    assert cure.uncounted == ("days",)


def test_groups_of_a_book_with_options_are_cured_by_their_curvature():
    holdings, market = mixed_book()
    model = statistical_factors(changes_of_drivers(60, 0.01), 2)
    book = Book.of(holdings, market, model, sensitivities(holdings, market))
    hard = 0.6 * value(book, "es", "strategy volatility")
    cure = smallest_cure([limit("loss", "es", "strategy volatility", hard)], book)
    assert hard * 0.995 < cure.uses[0].value <= hard * (1 + 1e-9)
    assert set(np.flatnonzero(cure.trades).tolist()) <= {4, 5}
