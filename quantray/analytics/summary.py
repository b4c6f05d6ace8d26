"""The few columns that a terminal shows of portfolios, whatever made them."""

from collections.abc import Mapping

from quantray.analytics.page import Rows, Table, shown

__all__ = ["accounts_table"]

_COLUMNS = {
    "return": ("annual_return", ".2%"),
    "volatility": ("annual_volatility", ".2%"),
    "Sharpe": ("sharpe", ".2f"),
    "±": ("sharpe_error", ".2f"),
    "max drawdown": ("max_drawdown", ".1%"),
    "turnover": ("annual_turnover", ".0%"),
    "cost": ("annual_cost", ".2%"),
    "eff. names": ("mean_effective_names", ",.0f"),
}


def accounts_table(title: str, metrics: Mapping[str, Mapping[str, float]]) -> Table:
    """A row for each portfolio.

    Parameters
    ----------
    metrics : portfolio -> metric -> value; what is missing or NaN is a dash.
    """
    rows = tuple(
        (name, *(shown(values.get(key), form) for key, form in _COLUMNS.values())) for name, values in metrics.items()
    )
    return Table(title=title, columns=("portfolio", *_COLUMNS), groups=(Rows(rows=rows),))
