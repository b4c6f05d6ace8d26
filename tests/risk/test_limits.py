import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from mixed_book import changes_of_drivers, mixed_book
from model_book import model_book

from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.errors import InputError
from quantray.risk.forecasting.second_order import normal_tail
from quantray.risk.limiting.cure import smallest_cure
from quantray.risk.limits import Limit, Moves, breaches, check, read_limits, usage
from quantray.risk.positions.book import Book
from quantray.risk.positions.sensitivities import Sensitivities, sensitivities
from quantray.risk.tail import gaussian_shortfall, gaussian_var


def limit(metric, scope="book", soft=0.5, hard=1.0, name="one", **more):
    return Limit(name=name, metric=metric, scope=scope, soft=soft, hard=hard, **more)


def measured(metric, scope="book", book=None, **more):
    labels, values = usage(limit(metric, scope, **more), book or model_book())
    return dict(zip(labels.tolist(), values.tolist(), strict=True))


def test_every_metric_against_its_definition():
    generator = np.random.default_rng(0)
    returns = {"trend": generator.normal(0, 0.01, 100), "value": generator.normal(0, 0.01, 100)}
    book = model_book(previous=np.zeros(40), returns=np.array([0.1, -0.1, -0.1]), strategy_returns=returns)
    w, model, sector = book.weights, book.model, book.groups["sector"]
    assert np.isclose(measured("gross", book=book)["book"], 1)
    assert np.isclose(measured("net", book=book)["book"], abs(w.sum()))
    assert np.isclose(measured("gross", "name S0003", book)["name S0003"], abs(w[3]))
    assert np.isclose(measured("net", "sector Tech", book)["sector Tech"], abs(w[sector == "Tech"].sum()))
    assert np.isclose(measured("net", "factor factor 2", book)["factor factor 2"], abs(model.loadings[:, 1] @ w))
    assert np.isclose(measured("var", book=book)["book"], gaussian_var(w, model))
    assert np.isclose(measured("es", book=book, level=0.975)["book"], gaussian_shortfall(w, model, level=0.975))
    alone = gaussian_var(np.where(book.groups["strategy"] == "trend", w, 0), model)
    assert np.isclose(measured("var", "every strategy", book)["strategy trend"], alone)
    assert measured("stress loss", "every scenario", book) == {
        "scenario crash": pytest.approx(0.2 * w.sum()),
        "scenario rally": 0.0,
        "scenario dip": pytest.approx(0.05 * w.sum()),
    }
    assert np.isclose(measured("liquidity days", "name S0000", book)["name S0000"], abs(w[0]) / book.adv[0] / 0.1)
    assert np.isclose(measured("turnover", book=book)["book"], 0.5)
    assert np.isclose(measured("drawdown", book=book)["book"], 0.19)
    assert set(measured("drawdown", "every strategy", book)) == {"strategy trend", "strategy value"}
    correlation = np.corrcoef(returns["trend"], returns["value"])[0, 1]
    assert np.isclose(measured("correlation", book=book)["book"], max(correlation, 0))


def test_the_worst_comes_first_and_each_breach_of_many_is_named():
    book = model_book(weights=np.r_[0.06, -0.045, np.full(38, 0.01)])
    uses = check(
        [
            limit("gross", soft=0.8, hard=1.0, name="gross"),
            limit("gross", "every name", soft=0.04, hard=0.05, name="single name", action="reduce"),
            limit("net", "every sector", soft=0.9, hard=1.0, name="sectors"),
        ],
        book,
    )
    assert [(use.name, use.scope, use.state) for use in uses[:2]] == [
        ("single name", "name S0000", "hard"),
        ("single name", "name S0001", "soft"),
    ]
    assert {use.name: use.state for use in uses[2:]} == {"gross": "met", "sectors": "met"}
    assert np.isclose(uses[0].usage, 1.2)
    assert uses[0].action == "reduce"
    assert [use.state for use in breaches(uses)] == ["hard", "soft"]
    assert [use.scope for use in breaches(uses, "hard")] == ["name S0000"]
    assert json.loads(json.dumps(asdict(uses[0])))["value"] == 0.06


def test_what_nobody_knows_is_noted_and_does_not_hide_the_rest():
    book = model_book(adv=np.r_[np.nan, 0.0, np.full(38, 1.0)])
    unknown, use = check([limit("liquidity days", "every name", soft=5, hard=10)], book)
    assert (unknown.state, unknown.scope, unknown.value, unknown.usage) == ("unknown", "every name", None, None)
    assert unknown.note == "unknown of 2: name S0000, name S0001"
    assert use.state == "met"
    assert 0 < use.value < 1
    (nothing,) = check([limit("liquidity days", "name S0000", soft=5, hard=10)], book)
    assert (nothing.value, nothing.state, nothing.note) == (None, "unknown", "unknown of 1: name S0000")
    assert breaches([unknown, use, nothing]) == ()


def test_positions_without_a_label_are_unknown_not_left_out():
    book = model_book()
    sectors = np.where(np.arange(40) < 2, "", book.groups["sector"])
    book = model_book(groups={"sector": sectors, "strategy": np.full(40, "")})
    unknown, met = check([limit("net", "every sector")], book)
    assert (unknown.state, unknown.note) == ("unknown", "without a sector: 2: S0000, S0001; label them")
    assert met.state == "met"
    # Of one sector, the rest is the least that it may be; a breach is one whatever the others are in.
    least = measured("gross", "sector Tech", book)["sector Tech"]
    (one,) = check([limit("gross", "sector Tech")], book)
    assert (one.state, one.note.split("; ")[-1]) == ("unknown", f"at least {least:.4g}")
    assert [use.state for use in check([limit("gross", "sector Tech", soft=0.01, hard=0.02)], book)] == [
        "hard",
        "unknown",
    ]
    (none,) = check([limit("var", "every strategy")], book)
    assert none.state == "unknown"
    two = np.array([0.01, 0.02])
    (still,) = check([limit("correlation")], model_book(strategy_returns={"a": two, "b": two * 0}))
    assert still.state == "unknown"


def test_a_sector_that_nobody_is_in_is_within_its_limit():
    assert measured("gross", "sector Real Estate") == {"sector Real Estate": 0.0}


def test_a_book_of_every_kind_of_position_is_measured_by_its_drivers():
    holdings, market = mixed_book()
    model = statistical_factors(changes_of_drivers(60, 0.01), 2)
    seen = sensitivities(holdings, market)
    book = Book.of(holdings, market, model, seen)
    assert np.isclose(measured("var", book=book)["book"], normal_tail(model, book.exposure, seen, level=0.99).var)
    assert set(measured("gross", "every asset class", book)) == {"asset class equity", "asset class fixed income"}
    assert np.isclose(sum(measured("gross", "every currency", book).values()), measured("gross", book=book)["book"])


def test_limits_come_from_a_file(tmp_path):
    path = tmp_path / "limits.yaml"
    path.write_text(
        "limits:\n"
        "- {name: single name, metric: gross, scope: every name, soft: 0.04, hard: 0.05, action: reduce}\n"
        "- name: loss\n  metric: var\n  scope: book\n  soft: 0.015\n  hard: 0.02\n"
        "  moves: {floor: 0.01, volatility: {extreme: 0.5}, trust: true}\n"
    )
    single, loss = read_limits(path, ["limits.single name.hard=0.06"])
    assert (single.hard, single.kind, single.item) == (0.06, "name", "*")
    assert loss.moves == Moves(floor=0.01, volatility={"extreme": 0.5}, trust=True)


def test_the_shipped_limits_can_be_checked():
    limits = read_limits(Path(__file__).parents[2] / "workflows" / "configs" / "limits.yaml")
    uses = check(limits, model_book(short=0.0, returns=np.array([0.01, -0.02])))
    assert {use.name for use in uses} == {limit.name for limit in limits}
    assert [limit.name for limit in limits if limit.moves] == ["loss"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{name: a, metric: gross, soft: 1, hard: 2}", "limits.0.scope: Field required"),
        ("{name: a, metric: gross, scope: '', soft: 1, hard: 2}", "limit 'a' has no scope; say book"),
        ("{name: a, metric: gross, scope: book, soft: 3, hard: 2}", "soft level 3 must not be above the hard one, 2"),
        ("{name: a, metric: gros, scope: book, soft: 1, hard: 2}", "unknown metric 'gros'; did you mean 'gross'"),
        ("{name: a, metric: gross, scope: every sectr, soft: 1, hard: 2}", "did you mean 'every sector'"),
        ("{name: a, metric: var, scope: factor market, soft: 1, hard: 2}", "var has no scope 'factor market'"),
        ("{name: a, metric: gross, scope: sector, soft: 1, hard: 2}", "gross has no scope 'sector'"),
        ("{name: a, metric: gross, scope: book, soft: 1, hard: 2, hrd: 2}", "'limits.0.hrd'; did you mean 'hard'"),
        ("{name: a, metric: var, scope: book, soft: 1, hard: 2, level: 2}", "level 2.0 must be above 0.5"),
        ("{name: a, metric: var, scope: book, soft: 1, hard: 2, moves: {floor: 3}}", "the floor 3 is above the hard"),
        ("{name: a, metric: var, scope: book, soft: 1, hard: 2, moves: {floor: 0}}", "a floor of 0.0 must be positive"),
        (
            "{name: a, metric: var, scope: book, soft: 1, hard: 2, moves: {floor: 1, volatility: {extrem: 0.5}}}",
            "no volatility is 'extrem'; did you mean 'extreme'",
        ),
        (
            "{name: a, metric: var, scope: book, soft: 1, hard: 2, moves: {floor: 1, week: {bearish: 0.5}}}",
            "no week is 'bearish'; did you mean 'bear'",
        ),
    ],
)
def test_a_bad_limit_is_refused_in_a_line(tmp_path, line, said):
    path = tmp_path / "limits.yaml"
    path.write_text(f"limits:\n- {line}\n")
    with pytest.raises(InputError, match=said) as error:
        read_limits(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("factor factor 9", "the book has no factor 'factor 9'; did you mean 'factor"),
        ("factor momentum", "the book has no factor 'momentum'; there are factor 1, factor 2, factor 3"),
        ("sector Utilitys", "the book has no sector 'Utilitys'; did you mean 'Utilities'"),
        ("strategy x", "the book has no strategy 'x'; there are trend, value."),
        ("name x", "the book has no name 'x'; there are S0000, S0001"),
        ("currency EUR", r"needs Book\(groups=\{'currency': ...\}\)"),
    ],
)
def test_what_the_book_has_not_is_said(scope, said):
    with pytest.raises(InputError, match=said):
        check([limit("net", scope)], model_book())


def test_names_of_limits_are_unique_and_data_are_asked_for():
    with pytest.raises(InputError, match="two limits are called 'one'"):
        check([limit("gross"), limit("net")], model_book())
    with pytest.raises(InputError, match=r"limit 'one' needs Book\(previous=...\)"):
        check([limit("turnover")], model_book())
    with pytest.raises(InputError, match=r"limit 'one' needs Book\(scenarios=...\)"):
        check([limit("stress loss", "every scenario")], model_book(scenarios={}))


def short_straddle(delta=0.0):
    """A book that has gamma and hardly anything else, on a driver of 1 % a day."""
    own = np.zeros(1, dtype=int)
    seen = Sensitivities(np.zeros(1), own, own, np.array([delta]), np.array([-8.0]), 1, notional=np.ones(1))
    model = FactorModel(np.ones((1, 1)), np.array([[1e-4]]), np.zeros(1))
    return Book(names=["straddle"], weights=np.ones(1), model=model, sensitivities=seen)


def test_a_hedged_option_book_uses_its_limits_and_is_cured():
    book = short_straddle()
    uses = check([limit("var", soft=1e-3, hard=2e-3), limit("es", soft=1e-3, hard=2e-3, name="two")], book)
    assert [use.state for use in uses] == ["hard", "hard"]
    assert uses[1].value == pytest.approx(4e-4 * 6.635, rel=3e-3)
    cure = smallest_cure([limit("var", soft=1e-3, hard=2e-3)], book)
    assert cure.uses[0].state == "soft"
    assert cure.book.weights[0] == pytest.approx(2e-3 / uses[1].value, rel=1e-3)
