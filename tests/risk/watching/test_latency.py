import json

import pytest

from quantray.errors import InputError
from quantray.risk.watching.latency import BUCKETS, LatencyHistogram


def test_durations_fall_into_fixed_buckets():
    histogram = LatencyHistogram()
    for microseconds in (1, 1.5, 2, 60, 99, 1e7):
        histogram.record(int(microseconds * 1000))
    counts = histogram.as_dict()
    assert (counts["1"], counts["2"], counts["100"], counts["inf"]) == (1, 2, 2, 1)
    assert histogram.total == sum(counts.values()) == 6
    assert json.dumps(counts)
    assert list(BUCKETS[:4]) == [1, 2, 5, 10]


def test_quantiles_are_rounded_up_to_the_end_of_a_bucket():
    histogram = LatencyHistogram()
    for _ in range(99):
        histogram.record(40_000)
    histogram.record(900_000)
    assert (histogram.quantile(0.5), histogram.quantile(0.99), histogram.quantile(1.0)) == (50, 50, 1000)
    with pytest.raises(InputError, match="0 durations have no quantile"):
        LatencyHistogram().quantile(0.5)
