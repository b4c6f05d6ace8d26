"""Documents: kept, dropped, logged, and not without measure."""

import pytest
from order_books import OPS, empty_books

from quantray.errors import InputError
from quantray.oms import documents
from quantray.oms.documents import keep


def test_each_change_is_a_row():
    books = empty_books()
    keep(books, OPS, "facts", "AAA", {"sector": "Energy", "adv_shares": 5})
    keep(books, OPS, "facts", "AAA", None)
    assert books.changes.chain.seq == 2


def test_one_that_is_too_large_changes_nothing(monkeypatch):
    monkeypatch.setattr(documents, "_MOST", 20)
    books = empty_books()
    with pytest.raises(InputError, match="facts AAA: 26 letters are more than 20; keep fewer names"):
        keep(books, OPS, "facts", "AAA", {"sector": "Energy Sector"})
    assert books.changes.chain.seq == 0
