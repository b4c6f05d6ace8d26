"""The demo's last day: its simulated bars in a store, and the book of it published, to be served."""

from pathlib import Path

from quantray.daily.settings import RebalanceSettings
from quantray.data.store import MarketStore
from quantray.data.synthetic import simulate_market
from quantray.data.vendors.importing import RawBars
from quantray.errors import DataError
from quantray.research.market import SimulatedData
from quantray.research.terms import Environment
from quantray.serving.desk import Published, run_day
from quantray.storage.files import make_folder, write_atomically
from quantray.studies.portfolios.settings import PortfolioSettings

__all__ = ["demo_changes", "publish_demo"]

_COLUMNS = ["date", "symbol", "open", "high", "low", "close", "volume"]


def publish_demo(study: PortfolioSettings) -> Published:
    """The book of the last day of a study on a simulated market, for its first allocator, under the study's runs.

    Raises
    ------
    DataError
        The folder cannot be written.
    """
    folder = _folder(study.runs)
    assert isinstance(study.data, SimulatedData), "the demo reads no data"
    market = simulate_market(study.data.n_assets, study.data.n_days, seed=study.data.seed)
    make_folder(folder)
    sectors = zip(market.panel.assets.tolist(), market.truth.sectors.tolist(), strict=True)
    lines = ["symbol,sector", *(f"{name},{sector}" for name, sector in sectors)]
    write_atomically(folder / "sectors.csv", "\n".join(lines) + "\n")
    store = MarketStore(folder / "market")
    if not _holds(store):
        store.import_bars(RawBars(market.panel.to_long()[_COLUMNS], ("simulated",)))
    settings = RebalanceSettings.model_validate(
        {
            "name": "Demo",
            "data": {"store": str(folder / "market"), "sectors": str(folder / "sectors.csv")},
            "books": str(folder / "books"),
            "runs": study.runs,
            "allocator": study.allocators[0].model_dump(),
            "lookback_days": study.folds.lookback_days,
            # What so small a market can take in a day.
            "accounting": {"initial_nav": 1_000_000},
        }
    )
    return run_day(settings)


def demo_changes(runs: str | None = None) -> tuple[str, ...]:
    """Changes of the service's settings by which it serves the demo's books, however old they are.

    Parameters
    ----------
    runs : the folder that the demo ran in; by default that of the environment.

    Raises
    ------
    DataError
        There is none yet.
    """
    folder = _folder(runs or Environment().runs)
    if not (folder / "books" / "latest.json").exists():
        raise DataError(f"{folder / 'books'} holds no book; run `quantray demo` first.")
    return f"books={folder / 'books'}", f"keys={folder / 'keys'}", "stale_after_hours=1000000"


def _holds(store: MarketStore) -> bool:
    """Whether an earlier demo has imported its bars, so that the same demo again publishes the same book."""
    try:
        return store.version() >= 0
    except DataError:
        return False


def _folder(runs: str) -> Path:
    return Path(runs).resolve() / "served"
