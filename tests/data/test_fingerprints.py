"""Fingerprints of windows: what they are, what they follow, and that windows share the work."""

import json
import zlib
from dataclasses import replace
from hashlib import blake2b

import numpy as np
import pytest

from quantray.arrays import digest
from quantray.data import fingerprints as module
from quantray.data.fingerprints import Window
from quantray.data.panel import Panel
from quantray.errors import InputError

T, N = 150, 130


@pytest.fixture(scope="module")
def panel():
    """Seven months of 130 names; some values are missing, and members come and go."""
    rng = np.random.default_rng(5)
    close, volume = rng.lognormal(size=(2, T, N))
    close[rng.random((T, N)) < 0.02] = np.nan
    dates = np.busday_offset("2019-11-12", np.arange(T))
    names = np.array([f"N{number:03d}" for number in range(N)])
    return Panel(dates, names, {"close": close, "volume": volume}, rng.random((T, N)) < 0.9)


def window(start, stop, *, without=(), names=N):
    columns = np.arange(N) < names
    columns[list(without)] = False
    return Window(slice(start, stop), columns)


def by_hand(panel, groups):
    """From the definition, block by block."""
    months = panel.dates.astype("datetime64[M]")

    def block(month, columns):
        rows = np.flatnonzero(months == month)
        values = b"".join(field[rows, n].tobytes() for n in columns for field in panel.fields.values())
        member = b"".join(panel.member[rows, n].tobytes() for n in columns)
        return blake2b(values + member, digest_size=16).digest()

    def shaped(blocks, *shape):
        return np.frombuffer(b"".join(blocks), np.uint8).reshape(*shape, 16)

    every = np.unique(months)
    ends = [shaped([block(month, range(len(panel.assets)))], 1) for month in dict.fromkeys((every[0], every[-1]))]
    group = [zlib.crc32(name.encode()) % groups for name in panel.assets.tolist()]
    members = [[n for n, of in enumerate(group) if of == number] for number in range(groups)]
    inner = shaped([block(month, some) for month in every[1:-1] for some in members], max(len(every) - 2, 0), groups)
    year = f"{panel.periods_per_year} periods a year"
    return digest([panel.dates, json.dumps(panel.assets.tolist()), *panel.fields, year, *ends, inner])


@pytest.mark.parametrize(("names", "groups"), [(1, 1), (33, 1), (34, 2), (67, 2), (68, 4), (130, 4)])
def test_a_fingerprint_is_what_its_definition_says(panel, names, groups):
    for start, stop in ((7, 100), (7, 30), (7, 9)):
        some = panel.cut(window(start, stop, names=names))
        assert some.fingerprint() == by_hand(some, groups)


def test_a_window_has_the_fingerprint_of_its_panel_whatever_was_hashed_before(panel):
    rng, fingerprints, seen = np.random.default_rng(6), panel.fingerprints(), {}
    for _ in range(60):
        start, stop = np.sort(rng.choice(T + 1, 2, replace=False)).tolist()
        some = window(start, stop, without=rng.choice(N, 2), names=int(rng.choice([N, N, N, 60, 3])))
        made = fingerprints.of(some)
        assert made == panel.cut(some).fingerprint()
        assert seen.setdefault(made, (start, stop, *some.columns)) == (start, stop, *some.columns)


def test_windows_of_nothing_are_told_apart(panel):
    nothing = [window(5, 5), window(0, 0, names=0), window(5, 9, names=0), window(5, 8, names=0), window(0, 1, names=1)]
    made = [panel.fingerprints().of(some) for some in nothing]
    assert made == [panel.cut(some).fingerprint() for some in nothing]
    assert len(set(made)) == len(made)


def test_data_before_after_and_beside_a_window_do_not_matter(panel):
    some = window(40, 110, without=(3, 70))
    expected = panel.cut(some).fingerprint()
    for first, last in ((40, 110), (0, 110), (40, T), (39, 111), (20, 130)):
        beside = panel.cut(Window(slice(first, last), some.columns))
        same = Window(slice(40 - first, 110 - first), np.ones(some.columns.sum(), dtype=bool))
        assert beside.fingerprints().of(same) == expected
    close, member = np.random.default_rng(7).random(panel.shape), ~panel.member
    inside = np.ix_(np.arange(40, 110), some.columns)
    close[inside], member[inside] = panel.field("close")[inside], panel.member[inside]
    assert panel.with_fields(close=close).with_member(member).fingerprints().of(some) == expected


def test_any_value_of_a_window_changes_its_fingerprint_and_no_other_does(panel):
    some = window(40, 110, without=(3,))
    expected = panel.fingerprints().of(some)
    for row in (39, *range(40, 110, 3), 109, 110):
        for column in (0, 3, (7 * row) % N, N - 1):
            matters = 40 <= row < 110 and bool(some.columns[column])
            volume, member = panel.field("volume").copy(), panel.member.copy()
            volume[row, column] = np.nextafter(volume[row, column], 9.0)
            member[row, column] ^= True
            for other in (panel.with_fields(volume=volume), panel.with_member(member)):
                assert (other.fingerprints().of(some) != expected) == matters, (row, column)


def test_values_that_change_places_change_the_fingerprint(panel):
    some, close, volume = window(0, T), panel.field("close"), panel.field("volume")
    names = panel.assets[::-1]
    changed = [
        panel,
        panel.with_fields(close=volume, volume=close),
        panel.with_fields(close=close[::-1]),
        panel.with_fields(close=close[:, ::-1]),
        panel.with_fields(close=close[:, ::-1], volume=volume[:, ::-1]).with_member(panel.member[:, ::-1]),
        panel.select(names),
        replace(panel, assets=names),
        replace(panel, dates=panel.dates + 1),
        replace(panel, periods_per_year=260),
        panel.with_only("close"),
        replace(panel, fields={"close": close, "shares": volume}),
    ]
    assert len({each.fingerprints().of(some) for each in changed}) == len(changed)


def test_equal_numbers_have_equal_fingerprints_whatever_their_bytes(panel):
    zero = panel.field("volume").copy()
    zero[::3] = 0.0
    odd = zero.copy()
    odd[::3] = -0.0
    close = panel.field("close").copy()
    close[np.isnan(close)] = np.frombuffer(np.uint64(0xFFF8000000000123).tobytes())[0]
    assert panel.with_fields(volume=odd, close=close).fingerprint() == panel.with_fields(volume=zero).fingerprint()
    assert np.signbit(odd[0]).all()
    assert close.tobytes() != panel.field("close").tobytes()


def test_windows_that_overlap_hash_only_what_is_new(panel, monkeypatch):
    hashed = []

    class Counting:
        def __init__(self, **asked):
            self._hasher, self.size = blake2b(**asked), 0
            hashed.append(self)

        def update(self, data):
            self._hasher.update(data)
            self.size += len(data)

        def digest(self):
            return self._hasher.digest()

    def bytes_of(some):
        hashed.clear()
        fingerprints.of(some)
        return sum(each.size for each in hashed)

    monkeypatch.setattr(module, "blake2b", Counting)
    fingerprints, cell = panel.fingerprints(), 2 * 8 + 1
    edges = np.flatnonzero(np.diff(panel.dates.astype("datetime64[M]").astype(int))) + 1
    first, second, third, fourth = edges[:4].tolist()
    assert bytes_of(window(first + 2, fourth + 3)) == (fourth + 3 - first - 2) * N * cell
    # Of the next window its ends, and the months that are new; of the same again, its ends.
    assert bytes_of(window(second + 2, T)) == (third - second - 2 + T - fourth) * N * cell
    assert bytes_of(window(second + 2, T)) == (third - second - 2 + T - edges[-1]) * N * cell
    # Where a name goes, the months of its group.
    group = [zlib.crc32(name.encode()) % 4 for name in panel.assets.tolist()]
    ends, of_group = (third - second - 2 + T - edges[-1]) * (N - 1), (edges[-1] - third) * (group.count(group[9]) - 1)
    assert bytes_of(window(second + 2, T, without=(9,))) == (ends + of_group) * cell


def test_names_that_run_into_one_another_are_other_names(panel):
    two = panel.select(panel.assets[:2])
    assert (
        replace(two, assets=np.array(["a\nb", "c"])).fingerprint()
        != replace(two, assets=np.array(["a", "b\nc"])).fingerprint()
    )


def test_windows_that_do_not_fit_are_refused(panel):
    every = np.ones(N, dtype=bool)
    for rows in (slice(0, 50, 2), slice(-5, 10), slice(None, 5), slice(5, None), slice(5, 4)):
        with pytest.raises(InputError, match="must have a start and a later stop"):
            Window(rows, every)
    with pytest.raises(InputError, match="columns must be a mask"):
        Window(slice(0, 5), np.arange(N))
    with pytest.raises(InputError, match=r"rows 0 to 151 and 130 columns does not lie in a panel of 150 dates"):
        panel.fingerprints().of(Window(slice(0, T + 1), every))
    with pytest.raises(InputError, match="2 columns does not lie"):
        panel.fingerprints().of(Window(slice(0, 5), every[:2]))
