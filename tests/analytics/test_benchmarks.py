import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.benchmarks import Benchmark, blended, of_symbol, read_benchmark
from quantray.errors import DataError, InputError

DAYS = np.array(["2020-01-02", "2020-01-03", "2020-01-06"], dtype="datetime64[D]")


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "index.csv"
        path.write_text(text)
        return path

    return write


def test_levels_and_returns_are_the_same_benchmark(file):
    levels = read_benchmark(file("date,level\n2020-01-02,100\n2020-01-03,110\n2020-01-06,99\n"), total=False)
    assert_allclose(levels.returns_on(DAYS), [0.1, -0.1])
    assert levels.label == "index (price return)"
    returns = read_benchmark(file("date,r\n2020-01-03,0.1\n2020-01-06,-0.1\n"), holds="returns", total=True, name="I")
    assert_allclose(returns.returns_on(DAYS), [0.1, -0.1])
    assert returns.label == "I"


def test_a_symbol_of_the_data(market):
    panel = market.panel
    name = str(panel.assets[np.isfinite(panel.field("close")).all(axis=0)][0])
    close = panel.field("close")[:, panel.assets == name][:, 0]
    assert_allclose(of_symbol(panel, name).returns_on(panel.dates[5:9]), close[6:9] / close[5:8] - 1)
    with pytest.raises(InputError, match="benchmark SPYX is not in the data; import it"):
        of_symbol(panel, "SPYX")


def test_a_blend_is_rebalanced_every_day():
    a, b = (Benchmark(n, DAYS, np.array(v), total=n == "a") for n, v in (("a", [1, 1.1, 1.1]), ("b", [1.0, 1.0, 1.2])))
    found = blended({"a": 0.6, "b": 0.3}, {"a": a, "b": b}, DAYS)
    assert_allclose(found.returns_on(DAYS), [0.06, 0.06])
    assert found.label == "60% a + 30% b (price return)"


def test_gaps_are_named():
    index = Benchmark("index", DAYS[[0, 2]], np.array([1.0, 1.1]), total=True)
    with pytest.raises(InputError, match="covers 2020-01-02 to 2020-01-06 and lacks 1 of 3 days, first 2020-01-03"):
        index.returns_on(DAYS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("date,level\n2020-01-02,100\nyesterday,1\n", "line 3"),
        ("date,level\n2020-01-02,100\n2020-01-03\n", "line 3"),
        ("date,level\n2020-01-02,100\n", "two days or more in order of time"),
        ("date,level\n2020-01-03,100\n2020-01-02,100\n", "two days or more in order of time"),
        ("date,level\n2020-01-02,100\n2020-01-03,0\n", "reaches 0; levels must be positive"),
    ],
)
def test_bad_files(file, text, said):
    with pytest.raises(DataError, match=said):
        read_benchmark(file(text), total=True)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match=r"none.csv"):
        read_benchmark(tmp_path / "none.csv", total=True)
