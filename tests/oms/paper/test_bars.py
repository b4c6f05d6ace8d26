import numpy as np
import pytest
from paper_market import FREE, flat_bars

from quantray.errors import DataError, InputError
from quantray.oms.paper.bars import Bars, read_bars, write_bars


def changed(**fields):
    bars = flat_bars(days=2)
    names = ("symbols", "times", "seconds", "open", "high", "low", "close", "volume", "impact")
    return Bars(**({name: getattr(bars, name) for name in names} | fields))


def test_bars_come_back_from_a_file(tmp_path):
    bars = flat_bars(days=2)
    write_bars(bars, tmp_path / "day.npz")
    again = read_bars(tmp_path / "day.npz")
    assert again.digest() == bars.digest()
    assert again.symbols == ("AAA", "BBB")
    assert again.digest() != changed(seconds=60.0).digest()


def test_days_and_the_clock():
    bars = flat_bars(days=2)
    assert [bars.ends_day(bar) for bar in range(4)] == [False, True, False, True]
    assert bars.days == pytest.approx(1 / 13)
    assert bars.stamp(1, 0.4) == "2024-03-28T14:00:00.400Z"
    assert bars.stamp(4) == "2024-03-29T14:30:00.000Z"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"symbols": ("AAA", "AAA")}, "must differ"),
        ({"seconds": 0.0}, "positive length"),
        ({"seconds": 3600.0}, "no nearer than a bar"),
        ({"volume": np.full((4, 2), -1)}, "bar 0 of AAA contradicts itself"),
        ({"high": np.full((4, 2), 999_999)}, "bar 0 of AAA contradicts itself"),
        ({"open": np.zeros((3, 2), dtype=np.int64)}, "need fields of that shape"),
        ({"impact": FREE.select([0])}, "of each symbol"),
        ({"impact": FREE.select([0, 1, 1])}, "of each symbol"),
    ],
)
def test_bars_that_contradict_themselves(fields, said):
    with pytest.raises(InputError, match=said):
        changed(**fields)


def test_files_that_hold_none(tmp_path):
    with pytest.raises(InputError, match="quantray venue bars"):
        read_bars(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("no bars")
    np.savez(tmp_path / "other.npz", prices=np.ones(3))
    np.savez(tmp_path / "object.npz", symbols=np.array([{}], dtype=object))
    for name in ("text.npz", "other.npz", "object.npz"):
        with pytest.raises(DataError, match="holds no bars"):
            read_bars(tmp_path / name)
