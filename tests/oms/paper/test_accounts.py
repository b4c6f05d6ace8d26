from quantray.oms.messages import Holdings
from quantray.oms.paper.accounts import Accounts, opening_rows


def test_accounts_hold_what_they_were_opened_with_and_traded():
    openings = {"a": Holdings(1000, {"X": 5, "Y": 0}), "b": Holdings(0)}
    accounts = Accounts(opening_rows(openings))
    accounts.book("a", "X", -5, 30, 2)
    accounts.book("c", "X", 5, 30, -1)
    assert accounts.holdings("a") == Holdings(1148)
    assert accounts.holdings("b") == accounts.holdings("nobody") == Holdings(0)
    assert accounts.holdings("c") == Holdings(-149, {"X": 5})
    assert accounts.names() == ("a", "c")
