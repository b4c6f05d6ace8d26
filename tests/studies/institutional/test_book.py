import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.data.calendar import rebalance_dates
from quantray.errors import DataError
from quantray.studies.institutional.book import LAYOUT, Book, PhaseData, decision_rows, read_book


@pytest.fixture
def data(study, tmp_path, settings_of):
    source, _ = study
    settings = settings_of(tmp_path)
    return PhaseData(settings, source.panel, source.panel.fingerprint(), "XNYS", settings.results)


def some_book(data):
    rows = np.arange(100, 200)
    decided = decision_rows(data.settings, data.panel, data.exchange)
    decided = decided[(decided >= 100) & (decided < 200)]
    generator = np.random.default_rng(1)
    weights = generator.normal(size=(len(decided), 12)) * (generator.random((len(decided), 12)) < 0.5)
    return Book(rows, generator.random(100), generator.random(100), generator.random((100, 3)), decided, weights)


def test_a_book_survives_its_table(data):
    book = some_book(data)
    data.results.put("ab", book.table())
    assert data.results.has("ab", LAYOUT)
    found = read_book(data, "ab")
    for name, value in vars(book).items():
        assert_array_equal(getattr(found, name), value)


def test_another_book_is_refused(data):
    book = some_book(data)
    strange = Book(book.rows + 1, book.exposure, book.options, book.shares, book.decided + 1, book.weights)
    data.results.put("ab", strange.table())
    with pytest.raises(DataError, match="holds another book"):
        read_book(data, "ab")


def test_days_of_decision_are_those_of_every_frequency(data):
    rows = decision_rows(data.settings, data.panel, "XNYS")
    weekly, monthly = (rebalance_dates(data.panel.dates, each) for each in ("weekly", "monthly"))
    expected = np.union1d(weekly, monthly)
    assert_array_equal(data.panel.dates[rows], expected[expected < data.panel.dates[-1]])
    assert set(decision_rows(data.settings, data.panel, "XNYS", "monthly")) <= set(rows)
