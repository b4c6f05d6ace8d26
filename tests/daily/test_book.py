from datetime import date

import pyarrow as pa
import pytest
from small_books import small_book, table

from quantray.daily.book import Book, empty_table
from quantray.errors import DataError


def changed(name, **columns):
    """The small book with other columns in a table."""
    tables = dict(small_book().tables)
    for column, values in columns.items():
        place = tables[name].schema.get_field_index(column)
        field = tables[name].schema.field(place)
        tables[name] = tables[name].set_column(place, field, pa.array(values, field.type))
    return small_book(tables=tables)


def test_what_is_kept_is_read_back():
    book = small_book()
    again = Book.read(book.files().__getitem__)
    assert again.version == book.version
    assert again.as_of == date(2024, 3, 28)
    for name, kept in book.tables.items():
        assert str(again.tables[name].to_pydict()) == str(kept.to_pydict()), name
    assert again.documents == book.documents


def test_equal_books_have_one_name_and_others_another():
    assert small_book().version == small_book().version
    assert small_book().version != small_book(nav=1_000_001.0).version
    assert small_book().version.startswith("2024-03-28-")


@pytest.mark.parametrize(
    ("name", "columns", "said"),
    [
        ("portfolio", {"weight": [0.4, 0.3, 0.3]}, "sum to 1.050000; cash is what is left"),
        ("portfolio", {"weight": [0.4, float("nan"), 0.25]}, "weight of BBB .* is missing"),
        ("portfolio", {"symbol": ["AAA", "AAA", "CCC"]}, "names a symbol twice"),
        ("portfolio", {"shares": [40_000, 15_001, 5_000]}, "changes 1 shares of BBB and orders 0"),
        ("portfolio", {"shares": [40_000, None, 5_000]}, "without a number of shares"),
        ("parents", {"shares": [-9_999, 3_000]}, "changes -10000 shares of AAA and orders -9999"),
        ("children", {"shares": [-4_000, -6_001, 3_000]}, "do not add up to their parents"),
        ("children", {"parent": ["1", "1", "9"]}, "do not add up to their parents"),
    ],
)
def test_a_book_that_does_not_add_up_is_refused(name, columns, said):
    with pytest.raises(DataError, match=said):
        changed(name, **columns)


@pytest.mark.parametrize("terms", [{"nav": 0.0}, {"nav": float("nan")}, {"cash": float("inf")}])
def test_money_is_a_number(terms):
    with pytest.raises(DataError, match="both must be numbers of money"):
        small_book(**terms)


def test_what_is_missing_or_too_much_is_named():
    tables = dict(small_book().tables)
    del tables["forecasts"]
    with pytest.raises(DataError, match="has no forecasts; give an empty table"):
        small_book(tables=tables)
    with pytest.raises(DataError, match="has wine, which no book holds"):
        small_book(tables={**small_book().tables, "wine": empty_table("forecasts")})
    with pytest.raises(DataError, match=r"forecasts of .* holds \['x'\]"):
        small_book(tables={**small_book().tables, "forecasts": pa.table({"x": [1]})})
    with pytest.raises(DataError, match="it needs risk, regimes, attribution, provenance"):
        small_book(documents={"risk": {}})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("about.json", b"{", "about.json is no JSON"),
        ("about.json", b"[1]", "about.json is no JSON object"),
        ("about.json", b"{}", "does not say whose book of which day"),
        ("risk.json", b"[" * 100_000, "risk.json is no JSON"),
        ("portfolio.parquet", b"PAR1", "portfolio.parquet carries no seal"),
    ],
)
def test_damage_is_named(name, content, said):
    files = small_book().files() | {name: content}
    with pytest.raises(DataError, match=said):
        Book.read(files.__getitem__)


def test_a_book_without_trades_has_empty_tables():
    still = table(
        "portfolio",
        symbol=["AAA"],
        sector=[""],
        price=[10.0],
        weight_before=[0.95],
        weight=[0.95],
        shares_before=[95_000],
        shares=[95_000],
    )
    empty = {name: empty_table(name) for name in ("parents", "children", "forecasts", "model")}
    assert (
        Book.read(small_book(tables={"portfolio": still, **empty}).files().__getitem__).tables["parents"].num_rows == 0
    )
