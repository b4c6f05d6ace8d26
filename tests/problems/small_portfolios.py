"""A small study of portfolios on simulated data."""

from quantray.research.market import SimulatedData
from quantray.research.run import write
from quantray.studies.portfolios.kind import PORTFOLIOS
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PortfolioSettings

ALLOCATORS = (
    AllocatorSettings(name="HRP", rule="hrp"),
    AllocatorSettings(name="Inverse volatility", rule="inverse_volatility", estimator="ewma"),
    AllocatorSettings(name="Equal weight", rule="equal_weight"),
)


def settings_in(folder, **changes):
    values = {
        "name": "small",
        "data": SimulatedData(n_assets=30, n_days=500, seed=2),
        "allocators": ALLOCATORS,
        "benchmark": "Equal weight",
        "folds": FoldSettings(lookback_days=120, test_days=63),
        "runs": str(folder),
    }
    return PortfolioSettings(**(values | changes))


def kept(source, result):
    """The folder of a run."""
    return write(PORTFOLIOS.name, source, PORTFOLIOS.findings(source, result))
