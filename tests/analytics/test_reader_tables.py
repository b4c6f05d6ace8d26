import numpy as np
import pytest
from bacon_months import BENCHMARK, MONTHS, PORTFOLIO

from quantray.analytics import reader_tables
from quantray.analytics.attribution.attribute import Explanation, attribute_returns


def rows(table):
    return [row for group in table.groups for row in group.rows]


def test_returns_over_years_are_yearly():
    whole = attribute_returns("Own", MONTHS, PORTFOLIO, Explanation(benchmark=BENCHMARK), periods_per_year=12)
    found = {row[0]: row[1:] for row in rows(reader_tables.horizons(whole, "Index"))}
    assert found["1 month"][0] == "-0.90%"
    assert found["this year"][0] == f"{np.prod(1 + PORTFOLIO[12:]) - 1:+.2%}"
    assert "3 years" not in found


def test_months_stand_in_their_places():
    latest, first = rows(reader_tables.months(MONTHS, PORTFOLIO))
    assert (latest[0], first[0], first[1], latest[12]) == ("2001", "2000", "+0.3", "-0.9")


def test_small_parts_are_one_row():
    names, values = reader_tables.largest({"a": 0.1, "b": -0.2, "c": 0.01, "d": 0.02}, 2)
    assert names == ["b", "a", "2 smaller ones"]
    assert values == pytest.approx([-0.2, 0.1, 0.03])


def test_numbers_have_sensible_digits():
    table = reader_tables.named({"annual_return": 0.12345, "omega": 1.23456, "minimum_track_record": np.inf,
                                 "max_drawdown_days": 1234.0, "vs_alpha_t": 2.5, "vs_beta": np.nan})  # fmt: skip
    cells = [cell for row in rows(table) for cell in row]
    assert {"12.35%", "1.23", "never", "1,234", "2.5", "–"} <= set(cells)


@pytest.mark.parametrize(
    ("values", "written"),
    [((0.0123, -0.5), "+1.23%"), ((0.0123, 4.0), "+1.2%"), ((15.9876, 0.01), "+1,599%"), ((float("nan"),), "+1.23%")],
)
def test_digits_become_fewer_as_returns_that_stand_together_grow(values, written):
    assert reader_tables.signed(values).format(values[0] if np.isfinite(values[0]) else 0.0123) == written
