"""Random bits flipped in every kind of file that quantray keeps, and what whoever reads the file next makes of it."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import yaml

from quantray.analytics.track import TrackRecord
from quantray.arrays import Float
from quantray.data.panel import Panel
from quantray.data.splits import DateRange, Split
from quantray.data.store import MarketStore
from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, QuantrayError
from quantray.features.feature_set import feature_set
from quantray.models.checkpoint import load_checkpoint, save_checkpoint
from quantray.models.forecaster import FitContext
from quantray.models.learned import NetworkForecaster
from quantray.models.scoring import TimeReading
from quantray.models.training import TrainingSettings
from quantray.research.executor import Serial
from quantray.research.folder import read_run
from quantray.research.kind import Kind, StudySettings
from quantray.research.run import carry_out, render
from quantray.research.verify import verify_run
from quantray.studies.forecasts.store import ForecastStore
from quantray.studies.portfolios.kind import PORTFOLIOS
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.tuning.journal import Journal, Shown

__all__ = ["KINDS", "OUTCOMES", "Kept", "flipped"]

OUTCOMES = ("seen", "healed", "harmless", "silent", "crashed")
"""Refused in a line; computed again, with the digest as before; read as equal to the last bit; read as something else;
anything but a line."""

STUDY = """
kind: portfolios
name: damaged
data: {kind: simulated, n_assets: 20, n_days: 440, seed: 3}
allocators:
  - {name: HRP, rule: hrp}
  - {name: Low risk, rule: minimum_variance}
  - {name: Equal, rule: equal_weight}
benchmark: Equal
folds: {lookback_days: 126, test_days: 63}
cluster: {kind: serial}
"""


@dataclass(frozen=True)
class Kept:
    """Files of one kind, as they lie in a folder."""

    name: str
    files: tuple[Path, ...]
    look: Callable[[], str]
    """Reads them as whoever comes next does, after one was damaged; returns an outcome."""
    together: bool = False
    """Whether all files are damaged at a time, since one look at them takes long."""


def flipped(kept: Kept, flips: int, draws: np.random.Generator) -> Counter[str]:
    """Flip so many bits, one in a file at a time, and count what came of it; afterwards all is as it was."""
    whole = {path: path.read_bytes() for path in kept.files}
    found: Counter[str] = Counter()
    while found.total() < flips:
        chosen = kept.files if kept.together else [kept.files[draws.integers(len(kept.files))]]
        for path in chosen:
            content = bytearray(whole[path])
            content[draws.integers(len(content))] ^= 1 << int(draws.integers(8))
            path.write_bytes(content)
        with redirect_stderr(StringIO()):
            found[_outcome(kept.look)] += len(chosen)
        for path in chosen:
            path.write_bytes(whole[path])
    return found


def _outcome(look: Callable[[], str]) -> str:
    try:
        return look()
    except QuantrayError as error:
        return "seen" if "\n" not in str(error) else "crashed"
    except Exception:  # noqa: BLE001  (what is counted here)
        return "crashed"


def _same(read: Callable[[], object]) -> Callable[[], str]:
    """Whether what is read is what was read before."""
    before = read()
    return lambda: "harmless" if read() == before else "silent"


def results(folder: Path) -> Iterator[Kept]:
    """The results of a study, and the folder of its run."""
    settings = PortfolioSettings.model_validate(yaml.safe_load(STUDY) | {"runs": str(folder / "runs")})
    run = _run(PORTFOLIOS, settings)
    digest, files = _digest(run), tuple(sorted((folder / "runs" / "results").rglob("*.parquet")))
    whole = [path.read_bytes() for path in files]

    def again() -> str:
        _run(PORTFOLIOS, settings)
        return "healed" if _digest(run) == digest and [path.read_bytes() for path in files] == whole else "silent"

    yield Kept("results", files, again, together=True)
    yield from _folder(run)


def _folder(run: Path) -> Iterator[Kept]:
    def verified() -> str:
        if verify_run(run).damage:
            raise DataError("named")
        return "silent"

    def reported() -> str:
        render(run)
        return "silent"

    names = ("study.json", "settings.yaml", "metrics.json", "page.json", "results.txt")
    for name in names:
        yield Kept(name, (run / name,), verified)
    yield Kept("report.html", (run / "report.html",), verified)
    tables = tuple(sorted(run.rglob("*.parquet")))
    yield Kept("tables, by verify", tables, verified)
    yield Kept("run folder, by report", tuple(run / name for name in names) + tables, reported)
    tracks = run / "tracks" / "HRP"
    records = (tracks / "accounts.parquet", tracks / "holdings.parquet")
    yield Kept("track records", records, _same(lambda: _numbers(TrackRecord.read(tracks))))


def stores(folder: Path) -> Iterator[Kept]:
    """A market store and a store of forecasts, with two versions each."""
    panel = simulate_market(12, 400, seed=4).panel
    market, scores = MarketStore(folder / "market"), ForecastStore(folder / "forecasts")
    _import(market, panel, folder / "bars.csv")
    for sign in (1, -1):
        scores.write("a", panel.dates, panel.assets, sign * panel.field("close"))
    readers = {
        "market store": lambda: (market.load().fingerprint(), [version.n_rows for version in market.versions()]),
        "store of forecasts": lambda: (scores.load("a").values.tobytes(), [v.n_rows for v in scores.versions()]),
    }
    for (name, read), store in zip(readers.items(), (market, scores), strict=True):
        place, look = Path(store.uri), _verified(store, _same(read))
        used = tuple(sorted(path for path in place.rglob("*.parquet") if "_delta_log" not in path.parts))
        yield Kept(f"{name}: data", used, look)
        rest = tuple(sorted(path for path in place.rglob("*") if path.is_file() and path not in used))
        yield Kept(f"{name}: log", rest, look)


def _verified(store: MarketStore | ForecastStore, look: Callable[[], str]) -> Callable[[], str]:
    """What a load makes of it, and where that needs nothing of what is damaged, ``quantray data verify``."""
    return lambda: "seen" if (outcome := look()) == "harmless" and store.verify().problems else outcome


def checkpoints(folder: Path) -> Iterator[Kept]:
    """A network's checkpoint."""
    panel = simulate_market(12, 400, seed=4).panel
    parts = [DateRange(panel.dates[a], panel.dates[b]) for a, b in ((150, 260), (270, 310), (320, 390))]
    training = TrainingSettings(epochs=1, patience=1, reading=TimeReading(steps=20, warm_up=30))
    NetworkForecaster(name="n", attention="none", width=8, layers=1, training=training).fit(
        panel,
        Split(train=parts[0], valid=parts[1], test=parts[2], horizon=1, lag=1, purge=2),
        context=FitContext(features=feature_set(panel, names=("reversal_5", "volatility_21")), folder=folder),
    )
    path, copy = folder / "checkpoint.pt", folder / "copy.pt"

    def read() -> bytes:
        # Equal checkpoints give equal bytes.
        save_checkpoint(copy, load_checkpoint(path))
        return copy.read_bytes()

    yield Kept("checkpoints", (path,), _same(read))


def journals(folder: Path) -> Iterator[Kept]:
    """The journal of a search."""
    journal = Journal(folder, "search")
    for number in range(1, 9):
        journal.asked(number, {"rate": 0.1 * number})
        for at in (1, 2, 3):
            shown = {"objective": 1 / (number + at), "note": "", "finished": at == 3, "stopped": False}
            journal.shown(Shown(number=number, round=at, **shown))
    events = journal.events

    def look() -> str:
        # What is left is what was done; the rest is done again.
        kept = Journal(folder, "search").events
        return "healed" if len(kept) < len(events) and kept == events[: len(kept)] else "silent"

    yield Kept("journals of searches", (journal.path,), look)


KINDS: dict[str, Callable[[Path], Iterator[Kept]]] = {
    "results": results,
    "stores": stores,
    "checkpoints": checkpoints,
    "journals": journals,
}
"""What makes files of some kinds in an empty folder."""


def _run(kind: "Kind[StudySettings, object, object]", settings: StudySettings) -> Path:
    return carry_out(kind, kind.load(settings), Serial())


def _digest(run: Path) -> str:
    about = read_run(run).about
    return "" if about is None else about.digest


def _numbers(record: TrackRecord) -> tuple[bytes | str, ...]:
    values: list[Float] = [record.nav, record.cash, record.pnl, record.weights, record.trades, record.costs]
    return (*(array.tobytes() for array in values), record.digest(), str(record.delistings), str(record.years))


def _import(store: MarketStore, panel: Panel, file: Path) -> None:
    """All but the last days, and then an append of these."""
    frame = panel.to_long()[["date", "symbol", "open", "high", "low", "close", "volume"]]
    for day, action in ((panel.dates[-20], store.import_bars), (panel.dates[-1], store.append)):
        frame[frame["date"] <= day].to_csv(file, index=False)
        action(file)
