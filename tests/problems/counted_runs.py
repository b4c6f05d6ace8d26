"""Runs of a study that counts, written without any work."""

import pyarrow as pa

from quantray.analytics.page import Page, Rows, Table
from quantray.research.kind import Findings, Source, StudySettings, Work
from quantray.research.market import MarketData, SimulatedData

TABLE = Table(title="s: a table", columns=("name", "value"), groups=(Rows(rows=(("a", "1"),)),))


class Settings(StudySettings):
    kind: str = "counting"
    size: int = 1


def findings_of(**changes):
    values = {
        "digest": "d1",
        "page": Page(title="t", meta="m", headline="One was counted.", sections=(), summary=TABLE),
        "work": Work(2, 3, 1.25, "counts"),
        "metrics": {"a": {"value": 1.0, "value_low": 0.5, "value_high": 1.5, "nothing": float("nan")}},
        "tables": {"inner/t": pa.table({"x": [1, 2]})},
        "files": {"extra.txt": "more"},
        "facts": {"n": 1},
        "notes": ("A note.",),
    }
    return Findings(**(values | changes))


def source_in(folder, make_panel, data=None):
    """Below ``runs`` of a folder."""
    market = MarketData(data or SimulatedData(), make_panel([[1.0, 2.0]] * 3), "nowhere", {}, ())
    return Source(Settings(name="s", runs=str(folder / "runs")), market, None)
