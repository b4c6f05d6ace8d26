"""True histories, written as vendors write them, come back with their total returns, or the report says why not."""

from pathlib import Path

import numpy as np
import pytest
from _vendors import WRITERS, random_history
from bench_formats import attempt, confusion

from quantray.data.vendors.importing import read_bars


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_total_returns_come_back(writer, tmp_path):
    """What a file tells of events decides: all of them, and returns are equal; fewer, and the report says so."""
    for seed in range(0, 6, 2):
        histories = [random_history(100 + seed + k, symbol=f"S{k}X") for k in range(2 if writer.several else 1)]
        folder = tmp_path / str(seed)
        folder.mkdir()
        tried = attempt(writer, histories, folder)
        assert tried.outcome != "wrong", f"error {tried.error:.4f}, prices taken as {tried.assumption}"
        if writer.tells == "all" and ":" not in writer.name:
            assert tried.outcome == "right"


@pytest.mark.parametrize("writer", [w for w in WRITERS if ":" not in w.name], ids=lambda writer: writer.name)
def test_formats_are_recognised_and_symbols_and_volumes_read(writer, tmp_path):
    histories = [random_history(7 + k, symbol=f"S{k}X") for k in range(2 if writer.several else 1)]
    raw = read_bars(writer.write(tmp_path, histories))
    assert {reading.format for reading in raw.readings} == {writer.name}
    assert raw.frame["symbol"].nunique() == len(histories)
    known = raw.frame[raw.frame["close"].notna()]
    assert (known["volume"] > 0).all()
    first = known.sort_values(["symbol", "date"]).groupby("symbol").head(1)
    assert sorted(first["date"].dt.date) == sorted(h.days[0].date() for h in histories)


def test_without_events_every_format_is_right(tmp_path):
    for number, writer in enumerate(WRITERS):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert attempt(writer, [random_history(3, symbol="S0X", events=False)], folder).outcome == "right", writer.name


@pytest.mark.slow
def test_few_histories_are_read_wrongly_without_a_word():
    """Where nothing is said of the prices, or the wrong thing, the moves on the days of events decide."""
    known, doubtful = (tuple(w for w in WRITERS if (":" in w.name) is doubted) for doubted in (False, True))
    for name, found in confusion(4, known, seed=1000).items():
        assert found["wrong"] == 0, name
    counts = confusion(9, doubtful, seed=1000)
    for name, found in counts.items():
        assert found["wrong"] <= 1, name
    assert counts["plain: as traded"]["right"] >= 7


def test_an_event_on_its_day_is_what_the_vendor_lists(tmp_path):
    writer = next(w for w in WRITERS if w.name == "tiingo")
    history = random_history(5)
    bars = read_bars(writer.write(Path(tmp_path), [history])).frame
    np.testing.assert_allclose(bars["split"], history.split)
    np.testing.assert_allclose(bars["dividend"], history.dividend + history.spin_off, atol=1e-7)
