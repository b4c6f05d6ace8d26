from datetime import UTC, date, datetime

import pytest
from small_books import small_book

from quantray.errors import InputError
from quantray.serving.follower import Follower
from quantray.serving.publish import Shelf


@pytest.fixture
def shelf(tmp_path):
    return Shelf.at(str(tmp_path / "books"))


def test_the_latest_book_is_followed(shelf):
    books = Follower(shelf)
    assert books.look().problem == "no book has been published yet"
    assert books.of(None) is None
    shelf.publish(small_book())
    assert books.look().served.version == small_book().version
    assert books.look().served is books.of(None)
    shelf.publish(small_book(date(2024, 4, 1)))
    assert books.of(None).book.as_of == date(2024, 3, 28)
    assert books.look().served.book.as_of == date(2024, 4, 1)
    assert books.of(date(2024, 3, 28)).version == small_book().version


def test_the_last_good_book_outlives_whatever_happens_to_the_shelf(shelf):
    books = Follower(shelf)
    shelf.publish(small_book())
    good = books.look().served
    (shelf.place.folder / "latest.json").write_text("{")
    assert books.look().served is good
    assert "points to no book" in books.state.problem
    (shelf.place.folder / "latest.json").unlink()
    assert books.look().served is good
    shelf.publish(small_book())
    assert books.look().problem == ""


def test_the_age_counts_from_the_end_of_the_day(shelf):
    books = Follower(shelf)
    shelf.publish(small_book())
    served = books.look().served
    assert served.age(datetime(2024, 3, 29, 6, tzinfo=UTC)).total_seconds() == 6 * 3600
    assert served.age(datetime(2024, 3, 28, 12, tzinfo=UTC)).total_seconds() == 0


def test_earlier_days_are_remembered_up_to_some(shelf):
    books = Follower(shelf)
    days = [date(2024, 4, day) for day in range(1, 12)]
    for day in days:
        shelf.publish(small_book(day))
    books.look()
    first = books.of(days[0])
    assert books.of(days[0]) is first
    for day in days[1:-1]:
        books.of(day)
    assert books.of(days[0]) is not first
    assert [pointer.as_of for pointer in books.history()] == days
    with pytest.raises(InputError, match="no book of 2020-01-01"):
        books.of(date(2020, 1, 1))
