"""Did each of five phases pay for itself out of sample? Ten years of a planted market, and of the S&P 500.

Usage: python benchmarks/bench_phases.py [--data FILE] [--only planted|sp500] [--folder FOLDER] [--cpus N] [--names N]
       [--aums AUM ...] [--set A.B=VALUE ...]

The settings are those of ``workflows/configs/institutional.yaml``, at $1B and $10B: six rules in two parts each,
regimes by three methods on days and weeks, four searches for parameters, and an ablation in which each phase is left
out. The planted market changes between four regimes and has no signal but its drifts, so that no rule deserves more
than its costs. The real prices are those of the hundred most traded at the time among the members of April 2021, with
half a spread of 1 bp. They survived: what is long is flattered, differences between studies of the same days less so.

Units of work are kept in the folder: a run that was cut off goes on, and its line then says how much was computed.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from _record import describe, machine, table, versions, write_line

from quantray.data.store import MarketStore
from quantray.distributed.cluster import connect
from quantray.research.folder import read_run
from quantray.research.run import carry_out
from quantray.settings import checked, read_content
from quantray.studies.institutional.kind import INSTITUTIONAL
from quantray.studies.institutional.record import VARIANTS
from quantray.studies.institutional.settings import InstitutionalSettings

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "workflows/configs/institutional.yaml"
DATA = ROOT / "../shared/data/sp500_1999_2021.parquet"
AUMS = (1e9, 1e10)
HALF_SPREAD_BPS = 1.0


def changes(what: str, folder: Path, arguments: argparse.Namespace) -> list[str]:
    """What is set beside the file; makes the store of real prices where there is none yet."""
    cluster = "{kind: serial}" if arguments.cpus == 1 else f"{{kind: local, cpus: {arguments.cpus}}}"
    aums = ",".join(f"{aum:g}" for aum in arguments.aums)
    found = [f"name={what}", f"aums=[{aums}]", f"runs={folder}", f"cluster={cluster}", *arguments.set]
    if what == "planted":
        return found
    store = folder / "market"
    if not store.exists():
        MarketStore(store).import_bars(arguments.data)
    universe = f"{{band: [1, {arguments.names}]}}"
    data = f"{{kind: store, store: {store}, start: 2011-01-03, end: 2020-12-31, universe: {universe}}}"
    return [*found, f"data={data}", f"costs.half_spread_bps={HALF_SPREAD_BPS}"]


def measured(what: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One study, and what it says of itself."""
    content = read_content(CONFIG, changes(what, folder, arguments))
    settings = checked(InstitutionalSettings, content, str(CONFIG))
    start = time.monotonic()
    source = INSTITUTIONAL.load(settings)
    with connect(settings.cluster, shared_bytes=source.shared_bytes) as executor:
        run = read_run(carry_out(INSTITUTIONAL, source, executor))
    assert run.about is not None, "just written"
    page = json.loads((run.folder / "page.json").read_text())
    return {
        "study": what,
        "days": len(source.panel.dates),
        "names": len(source.panel.assets),
        "most_names": arguments.names,
        "changes": arguments.set,
        "strategies": run.about.facts["strategies"],
        "seconds": round(time.monotonic() - start, 1),
        "seconds_by_phase": run.about.facts["seconds_by_phase"],
        "computed": run.about.computed,
        "reused": run.about.reused,
        "digest": run.about.digest,
        "headline": page["headline"],
        "findings": page["findings"],
        "metrics": json.loads((run.folder / "metrics.json").read_text()),
    }


def show(found: dict[str, Any]) -> None:
    """The ablation on a terminal."""
    print(f"\n{found['study']}: {found['names']} names, {found['days']} days, {found['strategies']} strategies")
    print(f"{found['seconds']} s, of which {found['seconds_by_phase']}; {found['computed']} results computed")
    rows = []
    for name, row in found["metrics"].items():
        gained = "" if row.get("all_over") is None else f"{row['all_over']:+.2f}"
        interval = f"{row['all_over_low']:+.2f} to {row['all_over_high']:+.2f}" if gained else ""
        numbers = (f"{row['sharpe']:.2f}", f"{row['max_drawdown']:.1%}", f"{row['annual_turnover']:.1f}")
        rows.append((name, *numbers, f"{row['cost_bps']:.1f}", gained, interval))
    assert len(rows) % len(VARIANTS) == 0
    print(table(("", "Sharpe", "drawdown", "turnover", "cost, bp", "gained by all", "interval"), rows))
    print("\n".join(found["findings"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", choices=("planted", "sp500"))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--names", type=int, default=100, help="most traded at the time, of the real prices")
    parser.add_argument("--aums", type=float, nargs="+", default=AUMS)
    parser.add_argument("--set", action="append", default=[], metavar="A.B=VALUE", help="change one setting")
    arguments = parser.parse_args()
    about, wanted = machine(), ("planted", "sp500") if arguments.only is None else (arguments.only,)
    print(describe(about))
    with tempfile.TemporaryDirectory() as fresh:
        folder = arguments.folder or Path(fresh)
        folder.mkdir(parents=True, exist_ok=True)
        for what in wanted:
            if what == "sp500" and not arguments.data.is_file():
                print(f"{arguments.data} is not here; the study of real prices is left out")
                continue
            found = measured(what, folder, arguments)
            show(found)
            write_line("bench_phases", {"machine": about, "versions": versions("numpy", "scikit-learn"), **found})


if __name__ == "__main__":
    main()
