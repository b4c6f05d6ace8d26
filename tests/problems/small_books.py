"""A book of a few names that trades two of them, and others like it."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from quantray.daily.book import TABLES, Book


def table(name, **columns):
    return pa.table(columns, schema=TABLES[name])


def small_book(as_of=date(2024, 3, 28), *, nav=1_000_000.0, **changed):
    start = datetime(as_of.year, as_of.month, as_of.day, 13, 30, tzinfo=UTC) + timedelta(days=1)
    tables = {
        "portfolio": table(
            "portfolio",
            symbol=["AAA", "BBB", "CCC"],
            sector=["Energy", "Energy", "Health Care"],
            price=[10.0, 20.0, 50.0],
            weight_before=[0.5, 0.3, 0.1],
            weight=[0.4, 0.3, 0.25],
            shares_before=[50_000, 15_000, 2_000],
            shares=[40_000, 15_000, 5_000],
        ),
        "parents": table(
            "parents",
            parent=["1", "2"],
            symbol=["AAA", "CCC"],
            shares=[-10_000, 3_000],
            algorithm=["VWAP", "TWAP"],
            expected_cost=[55.0, 20.0],
            expected_cost_bps=[5.5, 1.3],
            risk=[300.0, float("nan")],
        ),
        "children": table(
            "children",
            parent=["1", "1", "2"],
            child=["1-1", "1-2", "2-1"],
            symbol=["AAA", "AAA", "CCC"],
            time=[start, start + timedelta(hours=1), start],
            shares=[-4_000, -6_000, 3_000],
            venue=["NYSE", "IEX", "NYSE"],
            algorithm=["VWAP", "VWAP", "TWAP"],
            limit=[9.9, float("nan"), 50.5],
        ),
        "forecasts": table("forecasts", symbol=["AAA", "CCC"], forecast=[-0.001, 0.002]),
        "model": table(
            "model",
            symbol=["AAA", "BBB", "CCC"],
            specific_variance=[1e-4, 2e-4, 1e-4],
            cost=[2e-4, 2e-4, 2e-4],
            loadings=[[0.01], [0.012], [0.008]],
            price=[10.0, 20.0, 50.0],
            adv=[1_000_000.0, 500_000.0, float("nan")],
            volatility=[0.02, 0.02, 0.02],
            spread_bps=[4.0, 4.0, 4.0],
        ),
    }
    documents = {
        "risk": {"var_99": 0.021, "limits": [{"name": "gross", "usage": 0.95}]},
        "regimes": {"market": {"label": "bull", "probability": 0.8}},
        "attribution": {
            "nav": nav,
            "since": "2024-03-27",
            "return": 0.004,
            "sectors": {"Energy": 0.006, "Health Care": -0.0015},
            "costs": -0.0005,
        },
        "provenance": {"data_version": 3},
    }
    terms = {
        "as_of": as_of,
        "portfolio": "small",
        "nav": nav,
        "cash": 0.05,
        "tables": tables,
        "documents": documents,
    }
    return Book(**(terms | changed))
