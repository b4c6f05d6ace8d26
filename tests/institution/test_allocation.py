"""What a block filled, shared out: cases by hand, laws, and nobody favoured."""

import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from quantray.errors import InputError
from quantray.institution.allocation import Filtered, LeftOut, Rule, allocate, filtered, keyed_draw, priced

KEY = b"of these tests"
PRO_RATA = Rule()
RULES = {
    "pro_rata": lambda numbers: Rule(),
    "equal": lambda numbers: Rule(method="equal"),
    **{
        method: lambda numbers, m=method: Rule(method=m, numbers=numbers)
        for method in ("capital", "priority", "custom")
    },
}


def shared(demands, filled, rule=PRO_RATA, **more):
    return allocate(demands, filled, block="B", key=KEY, rule=rule, **more)


@st.composite
def blocks(draw, methods=tuple(RULES), lots=(1, 10)):
    names = draw(st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=8, unique=True))
    lot = draw(st.sampled_from(lots))
    demands = {name: lot * draw(st.integers(0, 60)) for name in names}
    numbers = {name: draw(st.integers(0, 5)) for name in names}
    filled = draw(st.integers(0, sum(demands.values())))
    return demands, filled, RULES[draw(st.sampled_from(methods))](numbers), lot


@pytest.mark.parametrize(
    ("rule", "filled", "expected"),
    [
        # 300 : 200 : 100 of 100 are 50, 33 1/3 and 16 2/3: the largest remainder is the last one's.
        (Rule(), 100, (50, 33, 17)),
        (Rule(), 600, (300, 200, 100)),
        (Rule(), 0, (0, 0, 0)),
        # A third each until c has its 100; the rest in halves.
        (Rule(method="equal"), 300, (100, 100, 100)),
        (Rule(method="equal"), 400, (150, 150, 100)),
        (Rule(method="equal"), 550, (250, 200, 100)),
        (Rule(method="priority", numbers={"a": 2, "b": 1, "c": 2}), 240, (30, 200, 10)),
        (Rule(method="priority", numbers={"a": 3, "b": 2, "c": 1}), 150, (0, 50, 100)),
        # By capital c would have 80 %, and asked for no more than 100.
        (Rule(method="capital", numbers={"a": 10, "b": 10, "c": 80}), 300, (100, 100, 100)),
        (Rule(method="capital", numbers={"a": 10, "b": 10, "c": 80}), 50, (5, 5, 40)),
        (Rule(method="custom", numbers={"a": 3, "b": 1, "c": 0}), 100, (75, 25, 0)),
        (Rule(method="custom", numbers={"a": 3, "b": 1, "c": 0}), 520, (300, 200, 20)),
    ],
)
def test_shares_that_can_be_reckoned_by_hand(rule, filled, expected):
    assert tuple(shared({"a": 300, "b": 200, "c": 100}, filled, rule).values()) == expected


def test_whole_lots_are_shared_and_the_odd_rest_goes_to_the_next():
    demands = {"a": 300, "b": 200, "c": 100}
    # 2 lots in 3 : 2 : 1 are 1, 2/3 and 1/3: one to a, one to b, and what is no lot to c.
    assert shared(demands, 230, lot=100) == {"a": 100, "b": 100, "c": 30}


def test_an_account_may_get_less_of_more_where_the_rule_does_not_promise_otherwise():
    """The paradox of Alabama: 6 : 6 : 2 of 10 and of 11."""
    demands = {"a": 60, "b": 60, "c": 20}
    assert shared(demands, 10)["c"] == 2
    assert shared(demands, 11)["c"] == 1


def test_a_rule_of_ones_own_is_called_by_its_path():
    rule = Rule(method="custom", function=f"{__name__}:twice_for_the_first")
    assert shared({"a": 90, "b": 90}, 30, rule) == {"a": 20, "b": 10}
    assert rule.resolved({"a": 90, "b": 90}) == Rule(method="custom", numbers={"a": 2, "b": 1})


def twice_for_the_first(demands):
    return {account: 2 if account == min(demands) else 1 for account in demands}


@settings(max_examples=150)
@given(block=blocks(), rng=st.randoms(use_true_random=False))
def test_laws(block, rng):
    demands, filled, rule, lot = block
    found = shared(demands, filled, rule, lot=lot)
    assert sum(found.values()) == filled
    assert all(0 <= found[name] <= demands[name] for name in demands)
    assert sum(bool(shares % lot) for shares in found.values()) == (filled % lot != 0)
    turned = list(demands)
    rng.shuffle(turned)
    assert shared({name: demands[name] for name in turned}, filled, rule, lot=lot) == found


@settings(max_examples=60)
@given(block=blocks(methods=("pro_rata",), lots=(1,)))
def test_in_proportion_to_demand_nobody_is_a_share_away_from_the_exact_one(block):
    demands, filled, rule, _ = block
    total = sum(demands.values()) or 1
    for name, shares in shared(demands, filled, rule).items():
        assert abs(shares - Fraction(filled * demands[name], total)) < 1


@settings(max_examples=60)
@given(block=blocks(methods=("equal", "priority"), lots=(1,)))
def test_one_share_more_is_less_for_nobody_where_the_rule_promises_it(block):
    demands, filled, rule, _ = block
    if rule.method == "priority":
        rule = Rule(method="priority", numbers={name: rank for rank, name in enumerate(sorted(demands))})
    if filled < sum(demands.values()):
        less, more = (shared(demands, n, rule) for n in (filled, filled + 1))
        assert all(less[name] <= more[name] for name in demands)


@settings(max_examples=60)
@given(block=blocks(lots=(1,)), price=st.integers(1, 10**7), fee=st.integers(-500, 500), more=st.integers(0, 5))
def test_money_adds_up_at_one_price(block, price, fee, more):
    demands, filled, rule, _ = block
    filled += more
    shares = shared(demands, filled - more, rule)
    amount = filled * price + filled // 3
    found = priced(shares, filled, amount, fee)
    assert sum(found.amounts.values()) + found.amount_left == amount
    assert sum(found.fees.values()) + found.fee_left == fee
    for name, count in shares.items():
        exact = Fraction(amount * count, filled or 1)
        assert abs(found.amounts[name] - exact) <= Fraction(1, 2)


def test_money_that_can_be_reckoned_by_hand():
    """A third of 100 each is 33 1/3, so a unit is left; a third of -2 is nearest to -1."""
    found = priced({"a": 1, "b": 1, "c": 1}, 3, 100, -2)
    assert (dict(found.amounts), found.amount_left) == ({"a": 33, "b": 33, "c": 33}, 1)
    assert (dict(found.fees), found.fee_left) == ({"a": -1, "b": -1, "c": -1}, 1)
    halves = priced({"a": 1, "b": 3}, 4, 2, 0)
    # 0.5 and 1.5: of halves, the even one.
    assert (dict(halves.amounts), halves.amount_left) == ({"a": 0, "b": 2}, 0)


def too_far(wins, expected, variance):
    """Whether counts are further from what is expected than one time in 10,000."""
    n = len(wins)
    statistic = sum((won - expected) ** 2 for won in wins.values()) / variance * (n - 1) / n
    return statistic > chi2.ppf(1 - 1e-4, n - 1)


def test_among_equals_nobody_is_favoured_over_many_blocks():
    """3 shares for 10 accounts, 10,000 times: each wins 3,000, as if drawn without putting back."""
    demands, blocks = {f"A{i}": 5 for i in range(10)}, 10_000
    wins = dict.fromkeys(demands, 0)
    for number in range(blocks):
        for name, shares in allocate(demands, 3, block=f"B{number}", key=KEY).items():
            wins[name] += shares
    assert not too_far(wins, 3_000, blocks * 0.3 * 0.7)
    assert too_far(wins | {"A0": wins["A0"] + 400}, 3_000, blocks * 0.3 * 0.7)


def test_neither_the_large_nor_the_small_are_favoured_over_many_blocks():
    """What each is given beyond its exact share comes to nothing, whatever it asked for."""
    rng, blocks = random.Random(7), 10_000
    demands = {"a": 900, "b": 500, "c": 170, "d": 31, "e": 7}
    total, beyond = sum(demands.values()), dict.fromkeys(demands, 0.0)
    squares = dict.fromkeys(demands, 0.0)
    for number in range(blocks):
        filled = rng.randint(1, total)
        for name, shares in allocate(demands, filled, block=f"B{number}", key=KEY).items():
            off = shares - filled * demands[name] / total
            beyond[name] += off
            squares[name] += off * off
    assert all(abs(beyond[name]) < 4 * squares[name] ** 0.5 for name in demands)


def test_the_draw_is_that_of_block_account_and_key():
    draws = {keyed_draw(key, block, account) for key in (b"k", b"l") for block in "BC" for account in "ab"}
    assert len(draws) == 8
    assert keyed_draw(b"k", "B", "1a") != keyed_draw(b"k", "B1", "a")


def test_what_may_not_be_traded_is_left_out_and_says_why():
    def listed(account, shares):
        return "restricted" if account == "b" else ""

    def small(account, shares):
        return "too small" if shares < 10 else ""

    demands = {"a": 100, "b": 5, "c": 5, "d": 100, "e": 100}
    assert filtered(demands, [listed, small], held={"a": 70, "d": 300, "e": -10}) == Filtered(
        {"a": 70, "d": 100},
        (
            LeftOut("a", 30, "position"),
            LeftOut("b", 5, "restricted"),
            LeftOut("c", 5, "too small"),
            LeftOut("e", 100, "position"),
        ),
    )
    assert filtered({"a": 100}, held={"a": 70}, lot=20) == Filtered({"a": 60}, (LeftOut("a", 40, "position"),))
    assert filtered(demands).demands == demands


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: shared({"a": 10}, 11), "block 'B' filled 11 shares, of which 10 were demanded"),
        (lambda: shared({"a": 15}, 5, lot=10), "account 'a' demands 15 shares, which are no whole lots of 10"),
        (lambda: shared({"a": -1}, 0), "account 'a' demands -1 shares"),
        (lambda: shared({"a": 1.0}, 0), "account 'a' demands 1.0 shares"),
        (lambda: shared({"a": 1}, 0, lot=0), "a lot of 0 is no lot"),
        (lambda: shared({"a": 1}, 1, Rule(method="fair")), "method 'fair': give pro_rata, capital, equal, priority or"),
        (lambda: shared({"a": 1}, 1, Rule(function="x:y")), "method 'pro_rata' with a function"),
        (
            lambda: shared({"a": 1, "b": 1}, 1, Rule(method="priority", numbers={"a": 1})),
            "'b' has the priority",
        ),
        (lambda: shared({"a": 1}, 1, Rule(method="custom", numbers={"a": 0.5})), "has the custom number 0.5"),
        (
            lambda: shared({"a": 1}, 1, Rule(method="custom", function="nowhere:f")),
            "'nowhere:f' cannot be imported",
        ),
        (lambda: shared({"a": 1}, 1, Rule(method="custom", function="quantray")), "is not of the form module:name"),
        (lambda: shared({"a": 1}, 1, Rule(method="custom", function="math:pi")), "is no function; name one as"),
        (lambda: filtered({"a": 15}, lot=10), "no whole lots of 10"),
    ],
)
def test_what_cannot_be_is_a_line(call, said):
    with pytest.raises(InputError, match=said):
        call()
