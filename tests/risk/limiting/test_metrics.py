import numpy as np
import pytest

from quantray.errors import InputError
from quantray.risk.limiting.metrics import MEASURES, METRICS, below_high, grouped, quantile
from quantray.risk.limits import Limit
from quantray.risk.positions.book import Book

BOOK = Book(
    names=np.array(["A", "B", "C"]),
    weights=np.array([0.5, -0.2, 0.1]),
    groups={"sector": np.array(["Bank", "", "Bank"])},
)


def limit(metric, scope, **more):
    return Limit(name="one", metric=metric, scope=scope, soft=0.1, hard=0.2, **more)


def test_every_metric_has_its_measure():
    assert MEASURES.keys() == METRICS.keys()


def test_exposures_by_hand():
    assert MEASURES["gross"](limit("gross", "book"), BOOK)[1].tolist() == pytest.approx([0.8])
    labels, net = MEASURES["net"](limit("net", "every sector"), BOOK)
    assert (labels.tolist(), net.tolist()) == (["Bank"], pytest.approx([0.6]))


def test_positions_without_a_label_are_in_no_group():
    labels, places = grouped(BOOK, "sector", "a limit")
    assert (labels.tolist(), places.tolist()) == (["Bank"], [0, -1, 0])
    with pytest.raises(InputError, match="a limit needs Book"):
        grouped(BOOK, "strategy", "a limit")


def test_what_is_below_the_highest():
    assert below_high(np.array([0.1, -0.5, 0.2])) == pytest.approx(0.4)
    assert below_high(np.array([0.1])) == 0


def test_a_mean_beyond_the_quantile_is_larger():
    assert quantile(limit("es", "book")) > quantile(limit("var", "book")) == pytest.approx(2.3263, abs=1e-4)
