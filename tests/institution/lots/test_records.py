"""Holding periods, and money shared out among shares."""

import pytest
from lot_days import day

from quantray.institution.lots.records import is_long_term, of_first


@pytest.mark.parametrize(
    ("since", "sold", "long"),
    [
        # Publication 550: bought February 5, one year and a day later is more than one year.
        ("2023-02-05", "2024-02-05", False),
        ("2023-02-05", "2024-02-06", True),
        # Revenue Ruling 66-7: of what is bought on the last day of a month, on the first day of the 13th after it.
        ("2023-02-28", "2024-02-29", False),
        ("2023-02-28", "2024-03-01", True),
        ("2024-02-28", "2025-02-28", False),
        ("2024-02-28", "2025-03-01", True),
        ("2024-02-29", "2025-02-28", False),
        ("2024-02-29", "2025-03-01", True),
        ("2023-12-31", "2024-12-31", False),
        ("2023-12-31", "2025-01-01", True),
    ],
)
def test_more_than_a_year(since, sold, long):
    assert is_long_term(day(since), day(sold)) is long


def test_the_first_shares_have_what_is_left_over():
    assert [of_first(11, 4, count) for count in range(5)] == [0, 3, 6, 9, 11]
    assert of_first(-5, 2, 1) == -2
