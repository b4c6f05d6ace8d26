"""A kind that nobody foresaw gets folder, report, resume, commands and laws without touching the mechanism."""

import json
import sys
import textwrap

import pytest
from command_line import quantray

from quantray.research.numerics import fixed_variables

SEVENTH = """
    \"\"\"Which names rose most: a kind of study in sixty lines.\"\"\"

    import time
    from dataclasses import dataclass

    import numpy as np
    import pyarrow as pa

    from quantray.analytics.page import Page, Rows, Section, Table
    from quantray.arrays import digest
    from quantray.research.kind import Findings, Kind, Source, StudySettings, Work
    from quantray.research.market import MarketSettings, read_market
    from quantray.research.provenance import Origin, unit_key
    from quantray.research.results import ResultStore
    from quantray.research.units import Unit, Workplace, complete


    class RiserSettings(MarketSettings, StudySettings):
        kind: str = "risers:RISERS"
        days: int = 20
        chunk: int = 5


    ORIGIN = Origin(("risers:rise",), ("numpy",))


    @dataclass(frozen=True, eq=False)
    class Closes:
        close: np.ndarray
        results: ResultStore


    def key(data, columns):
        return unit_key([data.close[:, columns[0] : columns[1]]], {}, origin=ORIGIN)


    def rise(data, columns):
        close = data.close[:, columns[0] : columns[1]]
        data.results.put(key(data, columns), pa.table({"rise": close[-1] / close[0] - 1}))
        return key(data, columns)


    def load(settings):
        return Source(*read_market(settings, ("close",)), None)


    def run(source, executor):
        start, settings, n = time.monotonic(), source.settings, source.panel.shape[1]
        data = Closes(source.panel.field("close")[-settings.days - 1 :], settings.results)
        chunks = [(i, min(i + settings.chunk, n)) for i in range(0, n, settings.chunk)]
        units = [Unit(key(data, chunk), chunk, ORIGIN) for chunk in chunks]
        done = complete(Workplace(executor, data), rise, units, label="chunks")
        rises = np.concatenate([settings.results.get(k)["rise"].to_numpy() for k in done.keys])
        return rises, done, time.monotonic() - start


    def findings(source, result):
        rises, done, seconds = result
        names = source.panel.assets.tolist()
        order = np.argsort(-np.nan_to_num(rises, nan=-9.0))[:3].tolist()
        rows = tuple((names[i], f"{rises[i]:.1%}") for i in order)
        table = Table(columns=("name", "rise"), groups=(Rows(rows=rows),))
        page = Page(title=source.settings.name, meta=source.data.description, headline=f"{names[order[0]]} rose most.",
                    sections=(Section(title="Risers", parts=(table,)),), summary=table)
        return Findings(digest=digest([rises]), page=page, work=Work(done.n_computed, done.n_reused, seconds, "chunks"),
                        metrics={n: {"rise": float(r)} for n, r in zip(names, rises.tolist(), strict=True)},
                        tables={"rises": pa.table({"name": names, "rise": rises})})


    RISERS = Kind(name="risers:RISERS", question="Which names rose most?", settings=RiserSettings, load=load, run=run,
                  findings=findings)
"""
YAML = """
    kind: risers:RISERS
    name: seventh
    data: {kind: simulated, n_assets: 24, n_days: 320, seed: 2}
    cluster: {kind: serial}
"""


@pytest.fixture(scope="module")
def place(user_in, tmp_path_factory):
    """A folder with the module and settings of the kind."""
    folder = tmp_path_factory.mktemp("seventh")
    (folder / "risers.py").write_text(textwrap.dedent(SEVENTH))
    (folder / "seventh.yaml").write_text(textwrap.dedent(YAML))
    return user_in(folder)


def typed(place, *words):
    """What a command prints, in this process."""
    done = quantray(*words, cwd=place.folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_new_kind_has_the_whole_mechanism(place, monkeypatch):
    # Where the shell fixes kernels, as this process found it, results of others would be computed again.
    variables = {"PYTHONPATH": str(place.folder)} | fixed_variables()
    fresh = place.run(sys.executable, "-m", "quantray.cli", "run", "seventh.yaml", **variables)
    assert fresh.returncode == 0, fresh.stderr
    out = fresh.stdout
    monkeypatch.syspath_prepend(place.folder)
    assert "rose most." in out
    assert "5 chunks computed, 0 reused" in out
    (folder,) = (place.folder / "runs").glob("seventh-*")
    about = json.loads((folder / "study.json").read_text())
    assert (about["kind"], about["headline"]) == ("risers:RISERS", about["headline"])
    # Again: nothing is computed; with one result gone, one is.
    assert "0 chunks computed, 5 reused" in typed(place, "run", "seventh.yaml")
    next((place.folder / "runs" / "results").rglob("*.parquet")).unlink()
    assert "1 chunks computed, 4 reused" in typed(place, "run", "seventh.yaml")
    assert json.loads((folder / "study.json").read_text())["digest"] == about["digest"]
    # Another setting is another run; both are listed and compared, and a report is written again.
    typed(place, "run", "seventh.yaml", "--set", "days=30")
    listed = typed(place, "runs")
    assert listed.count("risers:RISERS") == 2
    other = next(f for f in (place.folder / "runs").glob("seventh-*") if f != folder)
    compared = typed(place, "compare", folder, other)
    assert "days" in compared
    assert "the numbers differ" in compared
    (folder / "report.html").unlink()
    typed(place, "report", folder)
    assert "rose most." in (folder / "report.html").read_text()


def test_it_is_sixty_lines():
    assert len([line for line in SEVENTH.splitlines() if line.strip()]) <= 62
