"""A study's settings: frozen, checked, read from YAML, changed with ``--set a.b=value``."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from quantray.backtest.accounts import Accounting
from quantray.backtest.costs import LinearCosts
from quantray.data.calendar import DEFAULT_EXCHANGE, Frequency
from quantray.data.universe import PRESETS, Everything, MembershipFile, RankBand, Symbols, Universe
from quantray.portfolio.hrp import Distance, Linkage
from quantray.portfolio.rebalance import FullMove, NoTradeZone, PartialMove, Policy, Threshold
from quantray.research.alpha_settings import AlphaSettings
from quantray.research.folds import FoldKind
from quantray.research.settings import SettingsModel, nearest

__all__ = [
    "AllocatorSettings",
    "ClusterSettings",
    "Environment",
    "FoldSettings",
    "SimulatedData",
    "StoreData",
    "StudySettings",
    "UniverseSettings",
    "demo_settings",
]


class Environment(BaseSettings):
    """What the environment may say: where data, results and the cluster are."""

    model_config = SettingsConfigDict(env_prefix="QUANTRAY_", extra="ignore")

    store: str = "market"
    """``QUANTRAY_STORE``: folder or address of the market store."""
    runs: str = "runs"
    """``QUANTRAY_RUNS``: folder for results and reports."""


class UniverseSettings(SettingsModel):
    """Which assets are members when: one of a preset, a rank band, a membership file, a list, or everything."""

    preset: str | None = None
    """One of sp500-like, sp400-like, russell1000-like, russell2000-like, top2000."""
    band: tuple[int, int] | None = None
    """First and last rank by trailing median dollar volume."""
    review: Frequency = "monthly"
    """How often a rank band is reviewed."""
    buffer: float = Field(0.1, ge=0, le=1)
    """Share of the band's width by which a member may leave it before it is replaced."""
    members: str | None = None
    """CSV of symbol, start, end."""
    symbols: tuple[str, ...] | None = None
    """A fixed list."""

    @model_validator(mode="after")
    def _one(self) -> "UniverseSettings":
        given = [n for n in ("preset", "band", "members", "symbols") if getattr(self, n) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of preset, band, members and symbols, not {' and '.join(given)}")
        if self.preset is not None and self.preset not in PRESETS:
            raise ValueError(f"preset {self.preset!r} is unknown;{nearest(self.preset, list(PRESETS))}")
        return self

    def build(self, exchange: str = DEFAULT_EXCHANGE) -> Universe:
        """The universe these settings describe; a rank band is reviewed on the calendar of an exchange."""
        band = self.band
        if self.preset is not None:
            band = PRESETS[self.preset].first, PRESETS[self.preset].last
        if band is not None:
            return RankBand(*band, review=self.review, buffer=self.buffer, exchange=exchange)
        if self.members is not None:
            return MembershipFile(self.members)
        return Everything() if self.symbols is None else Symbols(self.symbols)


class StoreData(SettingsModel):
    """Data from a market store."""

    kind: Literal["store"] = "store"
    store: str = Field(default_factory=lambda: Environment().store)
    """Folder or address; by default ``QUANTRAY_STORE`` or ``market``."""
    version: int | None = None
    """Version of the store; by default the latest, which the run records."""
    start: date | None = None
    """First date whose prices are used; decisions begin after the look-back."""
    end: date | None = None
    as_known: bool = False
    """Bars as they were when the store first held them, without later corrections; the report says how they differ."""
    universe: UniverseSettings = UniverseSettings()
    sectors: str | None = None
    """CSV with symbol and sector, for the report and the risk tree."""
    only_with_sector: bool = False
    """Leave out names without a sector in that file, which are mostly funds."""

    @model_validator(mode="after")
    def _sectors(self) -> "StoreData":
        if self.only_with_sector and self.sectors is None:
            raise ValueError("only_with_sector needs a sectors file")
        return self


class SimulatedData(SettingsModel):
    """A synthetic market."""

    kind: Literal["simulated"] = "simulated"
    n_assets: int = Field(100, ge=2)
    n_days: int = Field(1260, ge=300)
    seed: int = 0
    planted_signal: float = Field(0.0, ge=0, lt=1)
    """Strength of a signal that peers lead one another by (see ``data.synthetic.LeadLag``); 0 for none."""


class FoldSettings(SettingsModel):
    """Walk-forward folds; see ``research.folds.walk_forward``."""

    kind: FoldKind = "rolling"
    lookback_days: int = Field(756, ge=20)
    """Trading days of returns behind every decision; with ``expanding``, at the first decision."""
    test_days: int = Field(126, ge=1)
    """Trading days of decisions in one fold, which is one unit of parallel work."""
    horizon: int = Field(0, ge=0)
    """Trading days that labels cover; 0 for allocators that predict nothing."""
    purge: int | None = Field(None, ge=0)
    embargo: int = Field(0, ge=0)


class AllocatorSettings(SettingsModel):
    """One portfolio of the study."""

    name: str
    """How the report calls it; letters, digits, blanks, dots and dashes."""
    rule: Literal[
        "equal_weight",
        "inverse_volatility",
        "hrp",
        "hrp_large",
        "herc",
        "nco",
        "risk_parity",
        "maximum_diversification",
        "minimum_variance",
        "minimum_cvar",
        "mean_variance",
        "max_sharpe",
    ]
    """``hrp_large`` gives the weights of ``hrp`` on the sample covariance without a matrix, for thousands of names.
    Least CVaR takes the look-back's days as scenarios, with returns that are missing as zero.
    ``mean_variance`` and ``max_sharpe`` act on forecasts: they need ``alpha`` and the statistical model."""
    estimator: Literal[
        "sample",
        "ewma",
        "ledoit_wolf",
        "ledoit_wolf_constant_correlation",
        "ledoit_wolf_single_factor",
        "oas",
        "denoised",
        "gerber",
        "statistical",
    ] = "sample"
    """Covariance estimator; equal weight and least CVaR ignore it."""
    n_factors: int | None = Field(None, ge=1)
    """Factors of the statistical model; by default as many as a criterion finds."""
    max_weight: float = Field(1.0, gt=0, le=1)
    """Largest weight: of least CVaR, of rules with ``alpha``, and of minimum variance on the statistical model. A day
    with too few names to invest fully under it is refused."""
    distance: Distance = "paper"
    """HRP only."""
    linkage: Linkage = "single"
    """Rule ``hrp`` only."""
    alpha: AlphaSettings | None = None
    """Forecasts and preferences; rules ``mean_variance`` and ``max_sharpe`` only."""

    @property
    def invests_all(self) -> bool:
        """Whether the weights must sum to one under ``max_weight``."""
        return self._capped and (self.alpha is None or self.alpha.mandate == "long_only")

    @property
    def _capped(self) -> bool:
        by_model = self.rule == "minimum_variance" and self.estimator == "statistical"
        return by_model or self.rule == "minimum_cvar" or self.alpha is not None

    @model_serializer(mode="wrap")
    def _without_none(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Allocators without forecasts are written, and hashed, as if there were none."""
        values: dict[str, Any] = dump(self)
        if self.alpha is None:
            values.pop("alpha", None)
        return values

    @model_validator(mode="after")
    def _forecasts(self) -> "AllocatorSettings":
        if (self.rule in ("mean_variance", "max_sharpe")) != (self.alpha is not None):
            raise ValueError(f"{self.name}: mean_variance and max_sharpe need alpha, and the other rules take none")
        if self.alpha is None:
            return self
        if self.estimator != "statistical":
            raise ValueError(f"{self.name}: {self.rule} needs estimator statistical")
        defaults = type(self.alpha).model_fields
        unheard = [n for n in ("risk_aversion", "cost_aversion") if getattr(self.alpha, n) != defaults[n].default]
        if self.rule == "max_sharpe" and unheard:
            raise ValueError(f"{self.name}: max_sharpe takes no {unheard[0]}; ask for mean_variance")
        return self

    @model_validator(mode="after")
    def _name(self) -> "AllocatorSettings":
        if not self.name or not all(c.isalnum() or c in " .-_" for c in self.name) or self.name.startswith("."):
            raise ValueError(f"allocator name {self.name!r} must be letters, digits, blanks, dots and dashes")
        if self.max_weight < 1 and not self._capped:
            raise ValueError(
                f"{self.name}: {self.rule} takes no max_weight; rules that do are minimum_cvar, mean_variance, "
                "max_sharpe, and minimum_variance with estimator statistical"
            )
        if self.n_factors is not None and self.estimator != "statistical":
            raise ValueError(f"{self.name}: n_factors needs estimator statistical")
        if self.rule == "hrp_large" and (self.estimator, self.linkage) != ("sample", "single"):
            raise ValueError(f"{self.name}: hrp_large has estimator sample and linkage single; others need rule hrp")
        if (self.distance, self.linkage) != ("paper", "single") and self.rule not in ("hrp", "hrp_large"):
            raise ValueError(f"{self.name}: distance and linkage need rule hrp")
        return self


class PolicySettings(SettingsModel):
    """How far to move on a day of trading; see ``portfolio.rebalance``."""

    kind: Literal["full", "threshold", "partial", "zone"] = "full"
    size: float = Field(0.0, ge=0, le=2)
    """Drift that a threshold allows, share of a partial move, or half width of a no-trade zone in weight."""

    def build(self) -> Policy:
        """The policy."""
        if self.kind == "threshold":
            return Threshold(self.size)
        if self.kind == "partial":
            return PartialMove(self.size)
        return FullMove() if self.kind == "full" else NoTradeZone(self.size)

    @model_validator(mode="after")
    def _share(self) -> "PolicySettings":
        if self.kind == "partial" and not 0 < self.size <= 1:
            raise ValueError(f"a partial move needs a size above 0 and at most 1, not {self.size}")
        if (self.kind == "full") != (self.size == 0):
            raise ValueError(f"policy {self.kind} with size {self.size:g}: full takes none, and the others need one")
        return self


class CostSettings(SettingsModel):
    """Linear trading costs; see ``backtest.costs.LinearCosts``."""

    half_spread_bps: float = Field(5.0, ge=0, le=1000)
    commission_bps: float = Field(0.5, ge=0, le=1000)

    def build(self) -> LinearCosts:
        """The cost model."""
        return LinearCosts(self.half_spread_bps, self.commission_bps)


class AccountingSettings(SettingsModel):
    """How the backtest keeps its accounts; see ``backtest.accounts.Accounting``."""

    execution_lag: int = Field(1, ge=0, le=20)
    initial_nav: float = Field(10_000_000.0, gt=0)
    dividends: Literal["reinvest", "cash"] = "reinvest"
    cash_rate: float = Field(0.0, ge=-0.1, le=1)
    delist_after: int = Field(10, ge=1)
    delisting_return: float = Field(0.0, ge=-1, le=1)

    def build(self) -> Accounting:
        """The accounting rules."""
        values = self.model_dump()
        return Accounting(lag=values.pop("execution_lag"), **values)


class ClusterSettings(SettingsModel):
    """Where the work runs."""

    kind: Literal["auto", "serial", "local", "address"] = "auto"
    """``auto``: this process until a Ray on this machine pays, then that; ``serial``: this process; ``local``: Ray on
    this machine; ``address``: a running cluster."""
    address: str | None = None
    """``host:port`` of the cluster's head (or ``auto`` inside a job), for kind ``address``."""
    cpus: int | None = Field(None, ge=1)
    """CPUs of a Ray on this machine; by default all."""
    cpus_per_task: float = Field(1.0, gt=0)
    gpus_per_task: float = Field(0.0, ge=0)
    object_store_mb: int | None = Field(None, ge=100)
    """Memory for the object store of a Ray on this machine; by default enough for the panel, within a third of it."""
    auth: Literal["token", "disabled"] = "token"
    """Ray's token authentication."""

    @model_validator(mode="after")
    def _address(self) -> "ClusterSettings":
        if (self.kind == "address") != (self.address is not None):
            raise ValueError("kind 'address' needs an address, and the other kinds take none")
        return self


class TrackingSettings(SettingsModel):
    """MLflow, or nothing."""

    mlflow: bool = False
    uri: str | None = None
    """Tracking address; by default a database inside the runs folder."""
    experiment: str = "quantray"


class StudySettings(SettingsModel):
    """A walk-forward study."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    data: Annotated[StoreData | SimulatedData, Field(discriminator="kind")]
    allocators: tuple[AllocatorSettings, ...] = Field(min_length=1)
    benchmark: str
    """Name of the allocator that the others are measured against."""
    rebalance: Frequency = "monthly"
    exchange: str | None = None
    """Whose calendar the data must keep; by default that of the store, which the run records."""
    min_history: float = Field(0.9, gt=0, le=1)
    """Share of the look-back's returns that an asset must have to receive a weight."""
    min_volatility: float = Field(0.0, ge=0, le=1)
    """Yearly volatility over the look-back below which an asset is left out as cash-like."""
    folds: FoldSettings = FoldSettings()
    policy: PolicySettings = PolicySettings()
    costs: CostSettings = CostSettings()
    accounting: AccountingSettings = AccountingSettings()
    cluster: ClusterSettings = ClusterSettings()
    tracking: TrackingSettings = TrackingSettings()
    runs: str = Field(default_factory=lambda: Environment().runs)
    """Folder for results and reports; shared by all nodes on a cluster."""

    @model_validator(mode="after")
    def _allocators(self) -> "StudySettings":
        names = [a.name for a in self.allocators]
        if len(set(names)) != len(names):
            raise ValueError(f"allocator names repeat: {', '.join(names)}")
        if self.benchmark not in names:
            raise ValueError(f"benchmark {self.benchmark!r} is no allocator;{nearest(self.benchmark, names)}")
        return self


def demo_settings() -> StudySettings:
    """The study of ``quantray demo``; ``workflows/configs/demo.yaml`` says the same with comments."""
    return StudySettings(
        name="demo",
        data=SimulatedData(n_assets=120, n_days=1512, seed=11),
        allocators=(
            AllocatorSettings(name="HRP", rule="hrp", estimator="ledoit_wolf"),
            AllocatorSettings(name="Inverse volatility", rule="inverse_volatility"),
            AllocatorSettings(name="Equal weight", rule="equal_weight"),
        ),
        benchmark="Equal weight",
        folds=FoldSettings(lookback_days=252, test_days=126),
        # It would be done before Ray has started; but it is to show Ray.
        cluster=ClusterSettings(kind="local"),
    )
