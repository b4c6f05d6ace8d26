"""The terminal's table of portfolios, by hand."""

from math import nan

from quantray.analytics.summary import accounts_table


def test_values_are_rounded_and_what_is_missing_is_a_dash():
    metrics = {"A": {"annual_return": 0.1234, "sharpe": nan, "mean_effective_names": 1234.5}, "B": {}}
    table = accounts_table("t: 2024", metrics)
    assert table.title == "t: 2024"
    assert table.columns[:4] == ("portfolio", "return", "volatility", "Sharpe")
    assert table.groups[0].rows == (
        ("A", "12.34%", "–", "–", "–", "–", "–", "–", "1,234"),
        ("B", *["–"] * 8),
    )
