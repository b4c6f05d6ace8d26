import io
import tarfile
from datetime import date
from pathlib import Path

import pytest
from small_books import small_book
from small_market import SmallMarket

from quantray.data.store import MarketStore
from quantray.errors import DataError, InputError
from quantray.serving.auth import KeyRing
from quantray.serving.publish import Shelf
from quantray.storage.archives import pack, unpack


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A store, books and keys."""
    folder = tmp_path_factory.mktemp("house")
    SmallMarket(folder)
    Shelf.at(str(folder / "books")).publish(small_book())
    text = KeyRing(folder / "keys").create("desk", ["read"]).text
    return {name: folder / name for name in ("market", "books", "keys")}, text


def test_what_is_backed_up_works_on_an_empty_machine(house, tmp_path):
    parts, key = house
    count = pack(parts, tmp_path / "backup.tar.gz")
    assert unpack(tmp_path / "backup.tar.gz", tmp_path / "new") == count
    new = tmp_path / "new"
    assert MarketStore(new / "market").load().field("close").shape == MarketStore(parts["market"]).load().shape
    shelf = Shelf.at(str(new / "books"))
    assert shelf.read(shelf.latest()).version == small_book().version
    assert KeyRing(new / "keys").principal(key).name == "desk"
    assert MarketStore(new / "market").verify()


def test_a_backup_is_its_owners_alone(house, tmp_path):
    pack(house[0], tmp_path / "backup.tar.gz")
    assert (tmp_path / "backup.tar.gz").stat().st_mode & 0o077 == 0


def test_a_book_that_is_published_meanwhile_is_whole_or_not_in_it(tmp_path, monkeypatch):
    """Whatever is read last: what points to books is read before the books are looked for."""
    shelf = Shelf.at(str(tmp_path / "books"))
    shelf.publish(small_book())
    read, seen = Path.read_bytes, []

    def publishing(path):
        seen.append(path)
        if len(seen) in (1, 2, 3):
            shelf.publish(small_book(date(2024, 4, len(seen))))
        return read(path)

    with monkeypatch.context() as busy:
        busy.setattr(Path, "read_bytes", publishing)
        pack({"books": tmp_path / "books"}, tmp_path / "backup.tar.gz")
    unpack(tmp_path / "backup.tar.gz", tmp_path / "new")
    found = Shelf.at(str(tmp_path / "new" / "books"))
    assert found.latest().as_of in found.days()
    assert all(found.read(found.of(day)) for day in found.days())


def test_a_store_that_is_appended_to_meanwhile_has_lost_nothing(tmp_path, monkeypatch):
    market = SmallMarket(tmp_path)
    read, seen = Path.read_bytes, []

    def appending(path):
        seen.append(path)
        if len(seen) == 2:
            MarketStore(tmp_path / "market").append(market.day(0))
        return read(path)

    with monkeypatch.context() as busy:
        busy.setattr(Path, "read_bytes", appending)
        pack({"market": tmp_path / "market"}, tmp_path / "backup.tar.gz")
    unpack(tmp_path / "backup.tar.gz", tmp_path / "new")
    assert MarketStore(tmp_path / "new" / "market").verify().problems == ()


@pytest.mark.parametrize("times", [1, 99])
def test_what_is_removed_meanwhile_is_looked_for_again_and_in_the_end_named(tmp_path, monkeypatch, times):
    shelf = Shelf.at(str(tmp_path / "books"))
    shelf.publish(small_book())
    read, left = Path.read_bytes, [times]

    def pruned(path):
        if path.name == "about.json" and left[0]:
            left[0] -= 1
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", pruned)
    if times == 1:
        assert pack({"books": tmp_path / "books"}, tmp_path / "backup.tar.gz") > 3
    else:
        with pytest.raises(DataError, match="about.json was removed while it was packed, as pruning does"):
            pack({"books": tmp_path / "books"}, tmp_path / "backup.tar.gz")
    assert not list(tmp_path.glob(".part-*"))


def test_what_lies_elsewhere_is_refused_not_left_out(house, tmp_path):
    with pytest.raises(InputError, match="books is at s3://bucket/books, not on this machine"):
        pack(house[0] | {"books": "s3://bucket/books"}, tmp_path / "backup.tar.gz")


def test_what_is_there_is_never_written_over(house, tmp_path):
    target = tmp_path / "backup.tar.gz"
    pack(house[0], target)
    with pytest.raises(InputError, match="is there already"):
        pack(house[0], target)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine").write_text("mine")
    with pytest.raises(InputError, match="holds something already"):
        unpack(target, tmp_path / "new")
    with pytest.raises(InputError, match="none of"):
        pack({"market": tmp_path / "nothing"}, tmp_path / "other.tar.gz")


def test_damage_anywhere_is_seen_and_nothing_is_brought_back(house, tmp_path):
    target = tmp_path / "backup.tar.gz"
    pack(house[0], target)
    whole = target.read_bytes()
    # The first bytes hold the name of a file, which nobody reads.
    for at in range(60, len(whole), len(whole) // 12):
        target.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(DataError, match="is no whole backup|is not what was backed up|has no manifest"):
            unpack(target, tmp_path / "new")
        assert not (tmp_path / "new").exists()
    target.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="is no whole backup"):
        unpack(target, tmp_path / "new")


def crafted(path, name, kind=tarfile.REGTYPE, link=""):
    with tarfile.open(path, "w:gz") as archive:
        about = tarfile.TarInfo(name)
        about.type, about.linkname = kind, link
        about.size = 1 if kind == tarfile.REGTYPE else 0
        archive.addfile(about, io.BytesIO(b"x"))


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../outside", tarfile.REGTYPE, ""),
        ("/tmp/outside-of-all", tarfile.REGTYPE, ""),
        ("link", tarfile.SYMTYPE, "/etc/passwd"),
        ("pipe", tarfile.FIFOTYPE, ""),
        ("plain", tarfile.REGTYPE, ""),
    ],
)
def test_what_somebody_made_up_is_refused(tmp_path, name, kind, link):
    crafted(tmp_path / "made-up.tar.gz", name, kind, link)
    with pytest.raises(DataError, match="is no whole backup|is no backup of quantray"):
        unpack(tmp_path / "made-up.tar.gz", tmp_path / "new" / "folder")
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "new" / "folder").exists()
