"""The table of states."""

import pytest

from quantray.oms.states import ALLOWED, ENDED, OPEN, State, TransitionError, moved


def test_every_state_is_in_the_table_and_reached_from_new():
    assert set(ALLOWED) == set(State)
    reached, fresh = set(), {State.NEW}
    while fresh:
        reached |= fresh
        fresh = {after for state in fresh for after in ALLOWED[state]} - reached
    assert reached == set(State)


def test_ends_have_no_way_out_and_every_other_state_has_one():
    assert {State.FILLED, State.CANCELED, State.REJECTED, State.EXPIRED} == ENDED
    assert set(State) == ENDED | OPEN | {State.NEW}
    for state in OPEN | {State.NEW}:
        reached, fresh = set(), {state}
        while fresh:
            reached |= fresh
            fresh = {after for each in fresh for after in ALLOWED[each]} - reached
        assert reached & ENDED, state


def test_only_what_was_reserved_is_sent():
    assert [state for state, after in ALLOWED.items() if State.SENT in after] == [State.RESERVED]


def test_what_is_in_doubt_is_never_sent_again():
    assert not {State.RESERVED, State.SENT, State.NEW} & ALLOWED[State.UNKNOWN]


def test_nothing_becomes_new():
    assert not any(State.NEW in after for after in ALLOWED.values())


def test_a_transition():
    assert moved(State.SENT, State.ACKED) is State.ACKED
    with pytest.raises(TransitionError, match="an order that is FILLED cannot become ACKED; ask its venue"):
        moved(State.FILLED, State.ACKED)
