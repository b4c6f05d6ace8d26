"""Units of a sweep: what is kept, what is computed, and what changing sets on the way costs."""

from dataclasses import fields, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from quantray.backtest.costs import LinearCosts
from quantray.backtest.net import net_returns
from quantray.errors import DataError, InputError
from quantray.research.executor import Serial
from quantray.research.results import ResultStore
from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.evaluation import evaluations as evaluation
from quantray.studies.evaluation.ensemble_family import EnsembleFamily
from quantray.studies.evaluation.evaluations import (
    Batch,
    Evaluations,
    Plan,
    SweepData,
    batch_keys,
    plan_key,
    read_kept,
    run_batch,
    run_plan,
)
from quantray.studies.evaluation.families import CrossFamily, RuleFamily, TradingTerms

SCREEN = CrossFamily(fast=(5, 10), slow=(20, 50))
RULE = RuleFamily(CATALOGUE["momentum_10_50"])
SETS = RULE.space.draw(6, seed=1)


@pytest.fixture
def data(market, tmp_path):
    panel = market.panel.select(market.panel.assets[:15]).until(300)
    return SweepData(panel, panel.fingerprint(), (RULE, SCREEN), TradingTerms(), ResultStore(tmp_path))


def returns_of(data, key):
    return data.results.get(key)["returns"].to_numpy()


def test_a_plan_that_never_changes_earns_what_its_set_earns(data):
    key = run_plan(data, Plan("p", ((RULE.name, SETS[0]),), np.zeros(301, dtype=np.int64)))
    (alone,) = run_batch(data, Batch(RULE.name, SETS[:1]))
    assert_allclose(returns_of(data, key), returns_of(data, alone), atol=1e-15)


def test_a_plan_pays_for_changing_sets(data):
    choices = ((RULE.name, SETS[0]), (SCREEN.name, SCREEN.default), (RULE.name, SETS[3]))
    which = np.repeat([-1, 0, 1, 2, 1, 0], [60, 50, 50, 50, 50, 41])
    key = run_plan(data, Plan("p", choices, which))
    weights = np.zeros(data.panel.shape)
    for number, (name, parameters) in enumerate(choices):
        (result,) = data.family(name).targets(data.panel, [parameters], data.terms)
        weights[which == number] = result.weights[which == number]
    expected = net_returns(weights, data.panel.field("close"), costs_bps=LinearCosts(5.0).bps(data.panel.fields), lag=1)
    assert_allclose(returns_of(data, key), expected.returns, atol=1e-15)
    assert_allclose(data.results.get(key)["turnover"].to_numpy(), expected.turnover, atol=1e-15)


def test_options_of_the_deciding_set_earn(data):
    family = RuleFamily(CATALOGUE["tail_hedge"])
    data = replace(data, families=(family,))
    sets = family.space.draw(2, seed=0)
    which = np.repeat([0, 1], [150, 151])
    key = run_plan(data, Plan("p", tuple((family.name, s) for s in sets), which))
    results = list(family.targets(data.panel, sets, data.terms))
    first, second = (result.overlay_returns for result in results)
    # The set of day 149 is held until the close of day 151, when its puts are exchanged.
    expected = np.concatenate([[0, 0], first[2:152], second[152:]])
    old, new = (result.closing_costs[151, 0] for result in results)
    assert min(old, new) > 0
    assert old != new
    expected[152] -= abs(new - old)
    hedges = net_returns(
        np.zeros(data.panel.shape), data.panel.field("close"), costs_bps=LinearCosts(5.0).bps(data.panel.fields), lag=1
    )
    assert_allclose(returns_of(data, key), expected + hedges.returns, atol=1e-15)


def test_only_what_is_missing_is_computed(data):
    wanted = [(RULE.name, s) for s in SETS] + [(SCREEN.name, s) for s in SCREEN.space.all()]
    first = Evaluations(data, Serial(), batch=4)
    first.need(wanted)
    first.need(wanted[:3])
    assert (first.n_computed, first.n_reused) == (len(wanted), 0)
    keys = batch_keys(data, Batch(RULE.name, SETS))
    (data.results.root / keys[2][:2] / f"{keys[2]}.parquet").unlink()
    again = Evaluations(data, Serial(), batch=2)
    again.need(wanted)
    assert (again.n_computed, again.n_reused) == (1, len(wanted) - 1)
    for chosen in wanted:
        assert_array_equal(first.returns(chosen), again.returns(chosen))


def test_keys_follow_the_numbers(data):
    key = batch_keys(data, Batch(RULE.name, SETS[:1]))
    assert key != batch_keys(data, Batch(RULE.name, SETS[1:2]))
    assert key != batch_keys(replace(data, terms=TradingTerms(costs=LinearCosts(6.0))), Batch(RULE.name, SETS[:1]))
    assert key != batch_keys(replace(data, fingerprint="other"), Batch(RULE.name, SETS[:1]))
    which = np.zeros(301, dtype=np.int64)
    plan = Plan("p", ((RULE.name, SETS[0]),), which)
    assert plan_key(data, plan) == plan_key(data, replace(plan, name="q"))
    assert plan_key(data, plan) != plan_key(data, replace(plan, which=which - 1))
    # A rule's fixed settings count too: momentum 5/20 with the parameters of 10/50 is the same rule.
    other = replace(data, families=(RuleFamily(CATALOGUE["momentum_5_20"]),))
    assert key == batch_keys(other, Batch("momentum_5_20", SETS[:1]))


def test_every_field_that_sets_depend_on_changes_their_keys(data, tmp_path):
    """Of what all units share, and of the terms they trade on; where results go and which day's panel it was do not."""
    batch = Batch(RULE.name, SETS[:1])
    plan = Plan("p", ((RULE.name, SETS[0]), (RULE.name, SETS[1])), np.zeros(301, dtype=np.int64))
    turned = replace(RULE.entry.strategy, shorts=not RULE.entry.strategy.shorts)
    others = {
        "fingerprint": "other",
        "families": (RuleFamily(replace(RULE.entry, strategy=turned)),),
        "kept": (100,),
    }
    terms = {"costs": LinearCosts(6.0), "lag": 2, "threads": 2, "numerics": "any"}
    assert set(terms) == {field.name for field in fields(TradingTerms)}
    # The fingerprint stands for the panel.
    assert set(others) | {"terms", "panel", "results"} == {field.name for field in fields(SweepData)}
    changed = [replace(data, **{name: value}) for name, value in others.items()]
    changed += [replace(data, terms=replace(data.terms, **{name: value})) for name, value in terms.items()]
    changed.append(replace(data, kept=(101,)))
    for key_of in (lambda given: batch_keys(given, batch)[0], lambda given: plan_key(given, plan)):
        keys = {key_of(given) for given in (data, *changed)}
        assert len(keys) == 1 + len(changed)
        assert key_of(replace(data, results=ResultStore(tmp_path / "elsewhere"))) == key_of(data)
    screened = batch_keys(data, Batch(SCREEN.name, (SCREEN.default,)))
    assert len({*batch_keys(data, Batch(RULE.name, SETS)), *screened}) == 7


def test_every_field_of_a_plan_changes_its_key_but_its_name(data):
    which = np.repeat([0, 1], [150, 151])
    plan = Plan("p", ((RULE.name, SETS[0]), (RULE.name, SETS[1])), which)
    others = {"choices": plan.choices[::-1], "which": np.repeat([0, 1], [151, 150])}
    assert set(others) | {"name"} == {field.name for field in fields(Plan)}
    keys = {plan_key(data, replace(plan, **{name: value})) for name, value in others.items()}
    assert len(keys | {plan_key(data, plan)}) == 3
    named = replace(plan, name="q")
    assert plan_key(data, named) == plan_key(data, plan)
    alone = replace(data, results=ResultStore(data.results.root / "alone"))
    assert_array_equal(returns_of(alone, run_plan(alone, named)), returns_of(data, run_plan(data, plan)))


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_parameter_of_a_rule_is_part_of_its_identity(name):
    family = RuleFamily(CATALOGUE[name])
    default = dict(family.default)
    assert set(default) == set(CATALOGUE[name].parameters)
    for parameter, axis in CATALOGUE[name].parameters.items():
        allowed = [{**default, parameter: value} for value in (default[parameter], *axis.values)]
        allowed = [tuple(values.items()) for values in allowed if family.allows(tuple(values.items()))]
        assert len({family.identity(given) for given in allowed}) == len(set(allowed)) > 1, parameter


def test_every_part_of_the_ensemble_is_part_of_its_identity():
    family = EnsembleFamily()
    identity = family.identity(())
    lenses = family.lenses
    for field in fields(lenses):
        value = getattr(lenses, field.name)
        if isinstance(value, str):
            other = "dollar_volume" if value == "equal" else "equal"
        else:
            other = tuple(part * 0.99 for part in value) if isinstance(value, tuple) else value + type(value)(1)
        try:
            changed = replace(lenses, **{field.name: other})
        except InputError:
            changed = replace(lenses, **{field.name: value * 0.99})
        assert replace(family, lenses=changed).identity(()) != identity, field.name
    rules = dict(family.ensemble.strategies)
    first = next(iter(rules))
    other = rules | {first: replace(rules[first], controls=replace(rules[first].controls, max_weight=0.07))}
    assert replace(family, ensemble=replace(family.ensemble, strategies=other)).identity(()) != identity
    assert replace(family, sectors={"A": "one"}).identity(()) != identity
    assert replace(family, name="Other").identity(()) == identity


def test_keys_follow_releases_code_and_kernels(data, keys_elsewhere):
    batch, plan = Batch(RULE.name, SETS[:1]), Plan("p", ((RULE.name, SETS[0]),), np.zeros(301, dtype=np.int64))
    for key_of in (lambda: batch_keys(data, batch)[0], lambda: plan_key(data, plan)):
        assert key_of() not in keys_elsewhere(key_of, evaluation._LIBRARIES)


def test_wrong_input_is_refused(data):
    with pytest.raises(InputError, match="give one choice or -1 a day"):
        run_plan(data, Plan("p", ((RULE.name, SETS[0]),), np.zeros(5, dtype=np.int64)))
    with pytest.raises(InputError, match="give one choice or -1 a day"):
        run_plan(data, Plan("p", ((RULE.name, SETS[0]),), np.ones(301, dtype=np.int64)))
    with pytest.raises(InputError, match="batch 0"):
        Evaluations(data, Serial(), batch=0)


def test_positions_are_kept_on_the_days_asked_for(data):
    chosen = (RULE.name, SETS[0])
    plain = Evaluations(data, Serial())
    plain.need([chosen])
    with pytest.raises(DataError, match="holds no positions"):
        plain.kept(chosen)
    keeping = Evaluations(replace(data, kept=(100, 250)), Serial())
    keeping.need([chosen])
    assert keeping.n_computed == 1
    net, book = keeping.kept(chosen)
    assert_array_equal(net.returns, plain.returns(chosen))
    (result,) = RULE.targets(data.panel, SETS[:1], data.terms)
    for day in (100, 250):
        assert_array_equal(book.at(day, 15).after, result.weights[day])
    assert not book.at(101, 15).after.any()


def test_what_options_earn_is_kept_beside_positions(data):
    hedge = RuleFamily(CATALOGUE["tail_hedge"])
    data = replace(data, families=(hedge,), kept=(250,))
    keeping, chosen = Evaluations(data, Serial()), (hedge.name, hedge.default)
    keeping.need([chosen])
    net, _, options = read_kept(data, keeping.key(chosen))
    (result,) = hedge.targets(data.panel, [hedge.default], data.terms)
    assert_array_equal(options, result.overlay_returns)
    assert_array_equal(net.returns, keeping.returns(chosen))
    assert options.any()


def test_leaving_options_for_others_pays_both_spreads(data):
    hedge, straddles = RuleFamily(CATALOGUE["tail_hedge"]), RuleFamily(CATALOGUE["delta_neutral_options"])
    data = replace(data, families=(hedge, straddles))
    choices = ((hedge.name, hedge.default), (straddles.name, straddles.default))
    which = np.repeat([-1, 0, 1, -1], [200, 50, 30, 21])
    key = run_plan(data, Plan("p", choices, which))
    puts, sold = (next(f.targets(data.panel, [f.default], data.terms)) for f in data.families)
    weights = np.where((which == 1)[:, None], sold.weights, 0.0)
    expected = net_returns(
        weights, data.panel.field("close"), costs_bps=LinearCosts(5.0).bps(data.panel.fields), lag=1
    ).returns
    expected[202:252] += puts.overlay_returns[202:252]
    expected[252:282] += sold.overlay_returns[252:282]
    at = {t: (np.abs(puts.closing_costs[t]).sum(), np.abs(sold.closing_costs[t]).sum()) for t in (201, 251, 281)}
    assert min(at[201][0], *at[251], at[281][1]) > 0
    expected[202] -= at[201][0]
    expected[252] -= sum(at[251])
    expected[282] -= at[281][1]
    assert_allclose(returns_of(data, key), expected, atol=1e-15)
