"""A network that goes on learning, week by week, on a small market."""

import shutil
from datetime import date

import numpy as np
import pytest
from small_market import SmallMarket

from quantray.daily import learning
from quantray.daily.rebalance import rebalance
from quantray.data.calendar import rebalance_dates
from quantray.data.store import MarketStore
from quantray.errors import DataError
from quantray.models import learned
from quantray.models.checkpoint import load_checkpoint
from quantray.models.forecaster import FitContext
from quantray.models.learned import NetworkForecaster
from quantray.models.scoring import TimeReading
from quantray.models.training import TrainingSettings
from quantray.research.folds import walk_forward
from quantray.serving.desk import last_before
from quantray.serving.publish import Shelf

SEEN = 262
"""Days of the market that the first checkpoint was made on."""
ALLOCATOR = {
    "name": "MV",
    "rule": "mean_variance",
    "estimator": "statistical",
    "alpha": {"forecasts": {"control": "reversal"}, "horizon_days": 1, "ic": 0.1},
    "max_weight": 0.3,
}
TRAINING = {"every": "weekly", "epochs": 2, "train_days": 40, "valid_days": 10}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A checkpoint that was trained on the market's beginning."""
    folder = tmp_path_factory.mktemp("base")
    SmallMarket(folder)
    panel = MarketStore(folder / "market").load(fields=("high", "low", "close", "volume")).until(SEEN - 1)
    fold = walk_forward(panel.dates[-50:], train_days=35, valid_days=10, test_days=1, horizon=1, lag=1)[-1]
    training = TrainingSettings(reading=TimeReading(steps=10, warm_up=5), epochs=2, patience=2, batch=2)
    network = NetworkForecaster(name="Net", attention="none", width=4, layers=1, heads=2, training=training)
    network.fit(panel, fold, context=FitContext(seed=3, folder=folder))
    return folder / "checkpoint.pt"


class Desk:
    """Rebalances day by day and publishes."""

    def __init__(self, folder, base, **training):
        self.market = SmallMarket(folder)
        terms = {"checkpoint": str(base), "allocator": ALLOCATOR, "training": TRAINING | training}
        self.settings = self.market.settings(**terms)
        self.shelf = Shelf.at(self.settings.books)

    def run(self, number, **more):
        done = rebalance(self.settings, last_before(self.shelf), bars=self.market.day(number), **more)
        self.shelf.publish(done.book)
        return done

    @property
    def fits(self):
        return sorted((self.market.folder / "runs").rglob("checkpoint.pt"))


def record(done):
    return done.book.documents["provenance"]["training"]


@pytest.fixture(scope="module")
def days(tmp_path_factory, base):
    """Seven days of a desk that trains every week."""
    desk = Desk(tmp_path_factory.mktemp("days"), base)
    return desk, [desk.run(number) for number in range(7)]


def test_it_learns_on_its_calendar_and_not_on_other_days(days):
    desk, done = days
    dates = MarketStore(desk.settings.data.store).load().dates
    weekly = {str(each) for each in rebalance_dates(dates, "weekly")}
    # The first day, as the checkpoint is older than the last calendar day, and then every week's last.
    expected = [n == 0 or str(each.book.as_of) in weekly for n, each in enumerate(done)]
    assert 1 < sum(expected) < 7
    told = [[note for note in each.notes if "validation IC" in note] for each in done]
    assert [bool(each) for each in told] == expected
    assert all("train" in each.seconds for each in done)
    fitted = [record(each)["fitted"] for each in done]
    assert all(day == str(each.book.as_of) for day, each, due in zip(fitted, done, expected, strict=True) if due)
    assert len(desk.fits) == sum(expected)


def test_the_book_says_which_network_scored_it_and_what_it_has_seen(days):
    _, done = days
    for each in done:
        network = record(each)["network"]
        assert date.fromisoformat(network["through"]) < each.book.as_of
        assert bool(network["key"]) == (network["sha256"] != record(each)["base"])
        assert each.book.tables["forecasts"].num_rows == 12


def test_a_fit_goes_on_from_one_that_had_not_seen_its_validation(days):
    desk, _ = days
    for path in desk.fits:
        found = load_checkpoint(path)
        assert found.parent is not None
        assert np.datetime64(found.parent.rpartition("@")[2]) <= found.fold.train.last
        assert found.fold.valid.last < found.data_through < found.fold.test.first


def test_the_same_day_again_trains_nothing_and_is_the_same_book(days):
    desk, done = days
    before = {path: path.stat().st_mtime_ns for path in desk.fits}
    for each in (done[0], done[3]):
        again = rebalance(desk.settings, last_before(desk.shelf), day=each.book.as_of)
        assert again.book.version == each.book.version
    assert {path: path.stat().st_mtime_ns for path in desk.fits} == before


class Killed(BaseException):
    """Stands for a process that goes away."""


def test_cut_off_while_it_learns_and_run_again_it_ends_in_the_same_book(base, tmp_path, monkeypatch):
    desk, saved = Desk(tmp_path, base), []
    save = learned.save_checkpoint

    def dying(path, checkpoint):
        save(path, checkpoint)
        saved.append(len(checkpoint.progress.history))
        if len(saved) == 1:
            raise Killed

    monkeypatch.setattr(learned, "save_checkpoint", dying)
    with pytest.raises(Killed):
        desk.run(0)
    again = desk.run(0)
    # It went on with the second epoch, and kept its end.
    assert saved == [1, 2, 2]
    shutil.rmtree(desk.fits[0].parent)
    assert desk.run(0).book.version == again.book.version


def test_a_fit_that_is_worse_does_not_take_the_place(base, tmp_path, monkeypatch):
    desk = Desk(tmp_path, base)
    monkeypatch.setattr(learning, "validation_ic", lambda *_: 1.0)
    first = desk.run(0)
    assert "1.0000 before; the network of before stays" in " ".join(first.notes)
    assert record(first)["network"]["key"] == ""
    assert record(first)["fitted"] == str(first.book.as_of)


def test_nothing_to_start_from_yet_is_said_and_fresh_weights_need_nothing(base, tmp_path):
    desk = Desk(tmp_path, base, valid_days=70)
    assert "training waits" in " ".join(desk.run(0).notes)
    desk.settings = desk.settings.model_copy(
        update={"training": desk.settings.training.model_copy(update={"warm_start": False})}
    )
    assert "validation IC" in " ".join(desk.run(0).notes)
    assert load_checkpoint(desk.fits[0]).parent is None


def test_a_network_that_is_gone_or_another_is_named(base, tmp_path, monkeypatch):
    desk = Desk(tmp_path, base)
    monkeypatch.setattr(learning, "validation_ic", lambda *_: -1.0)
    done = desk.run(0)
    (path,) = desk.fits
    assert record(done)["network"]["key"] == path.parent.name
    path.write_bytes(base.read_bytes())
    with pytest.raises(DataError, match="is not the network that the book before was made with"):
        desk.run(1)
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        desk.run(1)


def test_training_needs_a_checkpoint(tmp_path):
    with pytest.raises(ValueError, match="there is no checkpoint to train on from"):
        SmallMarket(tmp_path).settings(training={"every": "monthly"})
