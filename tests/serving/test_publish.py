from datetime import date

import pytest
from small_books import small_book

from quantray.errors import DataError, InputError
from quantray.serving.publish import Shelf


@pytest.fixture
def shelf(tmp_path):
    return Shelf.at(str(tmp_path / "books"))


def files_of(shelf):
    return {path: path.read_bytes() for path in sorted(shelf.place.folder.rglob("*")) if path.is_file()}


def test_what_is_published_is_read_back(shelf):
    assert shelf.latest() is None
    book = small_book()
    pointer = shelf.publish(book)
    assert shelf.latest() == pointer
    assert shelf.of(book.as_of) == pointer
    assert shelf.read(pointer).version == book.version


def test_a_book_is_published_once(shelf):
    shelf.publish(small_book())
    before = files_of(shelf)
    shelf.publish(small_book())
    assert files_of(shelf) == before


def test_an_earlier_day_does_not_become_the_latest(shelf):
    later, earlier = small_book(date(2024, 4, 2)), small_book(date(2024, 4, 1))
    shelf.publish(later)
    shelf.publish(earlier)
    assert shelf.latest().version == later.version
    assert shelf.days() == (date(2024, 4, 1), date(2024, 4, 2))
    corrected = small_book(date(2024, 4, 2), nav=2_000_000.0)
    shelf.publish(corrected)
    assert shelf.latest().version == corrected.version
    assert shelf.of(later.as_of).version == corrected.version


@pytest.mark.parametrize("cut", range(1, 12))
def test_cut_off_anywhere_the_last_book_stays_and_the_next_try_completes(shelf, cut, monkeypatch):
    first, second = small_book(date(2024, 4, 1)), small_book(date(2024, 4, 2))
    shelf.publish(first)
    written = []
    write = type(shelf.place).write

    def failing(place, name, content):
        written.append(name)
        if len(written) == cut:
            raise OSError(28, "No space left on device")
        write(place, name, content)

    with monkeypatch.context() as broken:
        broken.setattr(type(shelf.place), "write", failing)
        with pytest.raises(DataError, match="cannot be written"):
            shelf.publish(second)
        assert shelf.latest().version == first.version
        assert shelf.read(shelf.latest()).version == first.version
    shelf.publish(second)
    assert shelf.read(shelf.latest()).version == second.version


def test_every_flipped_byte_is_seen(shelf):
    pointer = shelf.publish(small_book())
    for path in (shelf.place.folder / "books" / pointer.version).iterdir():
        whole = path.read_bytes()
        for at in {0, len(whole) // 2, len(whole) - 1}:
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(DataError, match="is not what was published"):
                shelf.read(pointer)
        path.unlink()
        with pytest.raises(DataError, match="cannot be read; publish the book again"):
            shelf.read(pointer)
        path.write_bytes(whole)
    assert shelf.read(pointer)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"as_of": "2024-03-28", "version": "../../etc", "manifest": "0"}'])
def test_a_damaged_pointer_is_named(shelf, content):
    shelf.publish(small_book())
    (shelf.place.folder / "latest.json").write_bytes(content)
    with pytest.raises(DataError, match="latest.json points to no book"):
        shelf.latest()


def test_days_without_a_book_are_refused_with_what_there_is(shelf):
    with pytest.raises(InputError, match="no book of 2024-01-01 was published; there are none yet"):
        shelf.of(date(2024, 1, 1))
    shelf.publish(small_book())
    with pytest.raises(InputError, match="there are 1 from 2024-03-28 to 2024-03-28"):
        shelf.of(date(2024, 1, 1))


def test_files_that_are_no_books_are_nobodys_business(shelf):
    pointer = shelf.publish(small_book())
    for name in ("days/._2024-03-28.json", "days/2024-13-01.json", "days/notes.json", "books/.DS_Store"):
        (shelf.place.folder / name).write_bytes(b"x")
    assert shelf.days() == (small_book().as_of,)
    assert shelf.prune(1) == ()
    assert shelf.read(pointer)


def test_old_books_are_pruned_and_corrected_ones_with_them(shelf):
    days = [date(2024, 4, day) for day in (1, 2, 3, 4)]
    for day in days:
        shelf.publish(small_book(day))
    replaced = shelf.of(days[3]).version
    shelf.publish(small_book(days[3], nav=2e6))
    gone = shelf.prune(2)
    assert shelf.days() == tuple(days[2:])
    assert replaced in gone
    assert len(gone) == 3
    assert shelf.read(shelf.latest()).nav == 2e6
    with pytest.raises(InputError, match="0 books cannot be kept"):
        shelf.prune(0)
