"""What worlds say is data: what does not fit is refused in a line, and names nothing of anybody else's."""

import pytest

from quantray.errors import DataError
from quantray.trading.messages import Decided, Wish, as_bytes, read_decided

OWN = {"symbols": {"AAA", "BBB"}, "accounts": {"a1", "a2"}, "strategies": {"fast"}}


def said(**changed):
    given = {
        "bar": 3,
        "at": 5,
        "wishes": (Wish(symbol="AAA", side="buy", demands={"a1": 10}),),
        "earned": {"fast": -1.5},
        "failed": {},
    }
    return as_bytes(Decided(**{**given, **changed}))


def test_a_decision_is_read_as_it_was_said():
    assert read_decided(said(), bar=3, **OWN).wishes[0].demands == {"a1": 10}


WISH = {"symbol": "AAA", "side": "buy", "demands": {"a1": 1}}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "it says no decision"),
        (b"\xff\xfe", "it says no decision"),
        (b"[" * 100_000, "it says no decision"),
        (b'{"bar": 3}', "it says no decision: at: Field required"),
        (said().replace(b"10", b"0"), "greater than or equal to 1"),
        (said().replace(b"10", b"1.5"), "it says no decision: wishes.0.demands.a1"),
        (said().replace(b"10", b'"10"'), "it says no decision: wishes.0.demands.a1"),
        (said().replace(b"-1.5", b"1e999"), "it says no decision"),
        (said().replace(b'"buy"', b'"sell_short"'), "it says no decision: wishes.0.side"),
        (said(bar=2), "it answers bar 2 when it was asked about bar 3"),
        (said(wishes=(Wish(**{**WISH, "symbol": "CCC"}),)), 'it names the symbol "CCC", which is not its own'),
        (said(wishes=(Wish(**{**WISH, "demands": {"b1": 1}}),)), 'it names the account "b1", which is not its own'),
        (said(earned={"slow": 1.0}), 'it names the strategy "slow", which is not its own'),
        (said(wishes=(Wish(**WISH), Wish(**WISH))), "it wants to buy or sell a symbol twice"),
    ],
)
def test_what_is_no_decision_is_refused_in_a_line(raw, why):
    with pytest.raises(DataError) as caught:
        read_decided(raw, bar=3, **OWN)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
