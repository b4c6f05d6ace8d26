"""Settings of a walk-forward study of portfolios: which allocators, on which folds, in which accounts."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from quantray.data.calendar import Frequency
from quantray.own import one_of, own_path
from quantray.portfolio.hrp import Distance, Linkage
from quantray.portfolio.rebalance import FullMove, NoTradeZone, PartialMove, Policy, Threshold
from quantray.research.folds import FoldKind
from quantray.research.kind import StudySettings
from quantray.research.market import MarketSettings, SimulatedData
from quantray.research.terms import AccountingSettings, ClusterSettings, TradingCostSettings
from quantray.settings import SettingsModel, nearest
from quantray.studies.portfolios.alpha_settings import AlphaSettings
from quantray.studies.portfolios.benchmark import BenchmarkSettings
from quantray.studies.portfolios.risk.settings import RiskSettings, overlay_name
from quantray.studies.portfolios.risk_free import RiskFreeSettings

__all__ = [
    "ESTIMATORS",
    "RULES",
    "AllocatorSettings",
    "FoldSettings",
    "PolicySettings",
    "PortfolioSettings",
    "demo_settings",
]

_OWN = ("parameters", "invested", "estimator_parameters", "trial_seconds")
_WITHOUT_COVARIANCE = ("equal_weight", "minimum_cvar")
_ON_FORECASTS = ("mean_variance", "max_sharpe", "multi_period")


RULES = (
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
    *_ON_FORECASTS,
)
ESTIMATORS = (
    "sample",
    "ewma",
    "ledoit_wolf",
    "ledoit_wolf_constant_correlation",
    "ledoit_wolf_single_factor",
    "oas",
    "denoised",
    "gerber",
    "statistical",
)


Rule = Annotated[str, one_of(RULES, "allocators")]
Estimator = Annotated[str, one_of(ESTIMATORS, "estimators")]


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
    rule: Rule
    """``hrp_large`` gives the weights of ``hrp`` on the sample covariance without a matrix, for thousands of names.
    Least CVaR takes the look-back's days as scenarios, with returns that are missing as zero.
    ``mean_variance``, ``max_sharpe`` and ``multi_period`` act on forecasts: they need ``alpha`` and the statistical
    model. ``multi_period`` plans several periods at once as ``alpha.plan`` says. Or a rule of your own, by
    ``module:name`` or by the name that an installed package registers among ``quantray.allocators``."""
    parameters: Mapping[str, JsonValue] = {}
    """Of a rule of your own."""
    invested: float | None = 1.0
    """What the weights of a rule of your own must sum to; null for anything. What is left is cash."""
    estimator: Estimator = "sample"
    """Covariance estimator; equal weight and least CVaR take none. Or one of your own, by ``module:name`` or by the
    name that an installed package registers among ``quantray.estimators``."""
    estimator_parameters: Mapping[str, JsonValue] = {}
    """Of an estimator of your own."""
    trial_seconds: float = Field(30.0, gt=0)
    """That one decision of your own rule or estimator may take when it is tried before the study; no number changes."""
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
    """Forecasts and preferences; rules ``mean_variance``, ``max_sharpe`` and ``multi_period`` only."""

    @property
    def own_rule(self) -> str | None:
        """Import path of a rule of the user's own."""
        return None if self.rule in RULES else own_path(self.rule, "allocators")

    @property
    def own_estimator(self) -> str | None:
        """Import path of an estimator of the user's own."""
        return None if self.estimator in ESTIMATORS else own_path(self.estimator, "estimators")

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
        """What only forecasts or things of the user's own need is written, and hashed, where it is there."""
        values: dict[str, Any] = dump(self)
        for name in ("alpha", *_OWN):
            if getattr(self, name) == type(self).model_fields[name].default:
                values.pop(name, None)
        return values

    @model_validator(mode="after")
    def _own(self) -> "AllocatorSettings":
        for part, name, theirs in (
            ("a rule", "parameters", self.rule in RULES),
            ("a rule", "invested", self.rule in RULES),
            ("an estimator", "estimator_parameters", self.estimator in ESTIMATORS),
            ("a rule or estimator", "trial_seconds", self.rule in RULES and self.estimator in ESTIMATORS),
        ):
            if theirs and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{self.name}: {name} needs {part} of your own, as module:name")
        if self.rule in _WITHOUT_COVARIANCE and self.estimator != "sample":
            raise ValueError(f"{self.name}: {self.rule} asks no covariance, so leave estimator {self.estimator} out")
        return self

    @model_validator(mode="after")
    def _forecasts(self) -> "AllocatorSettings":
        if (self.rule in _ON_FORECASTS) != (self.alpha is not None):
            raise ValueError(f"{self.name}: {', '.join(_ON_FORECASTS)} need alpha, and the other rules take none")
        if self.alpha is None:
            return self
        if self.estimator != "statistical":
            raise ValueError(f"{self.name}: {self.rule} needs estimator statistical")
        defaults = type(self.alpha).model_fields
        unheard = [n for n in ("risk_aversion", "cost_aversion") if getattr(self.alpha, n) != defaults[n].default]
        if self.rule == "max_sharpe" and unheard:
            raise ValueError(f"{self.name}: max_sharpe takes no {unheard[0]}; ask for mean_variance")
        if (self.rule == "multi_period") != (self.alpha.plan is not None):
            raise ValueError(f"{self.name}: multi_period needs alpha.plan, and the other rules take none")
        return self

    @model_validator(mode="after")
    def _name(self) -> "AllocatorSettings":
        if (
            not 0 < len(self.name) <= 100
            or not all(c.isalnum() or c in " .-_" for c in self.name)
            or self.name.startswith(".")
        ):
            raise ValueError(
                f"allocator name {self.name!r} must be letters, digits, blanks, dots and dashes, 100 at most"
            )
        if self.max_weight < 1 and not self._capped:
            raise ValueError(
                f"{self.name}: {self.rule} takes no max_weight; rules that do are minimum_cvar, "
                f"{', '.join(_ON_FORECASTS)}, and minimum_variance with estimator statistical"
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


class PortfolioSettings(MarketSettings, StudySettings):
    """A walk-forward study."""

    kind: Literal["portfolios"] = "portfolios"
    allocators: tuple[AllocatorSettings, ...] = Field(min_length=1)
    benchmark: str | BenchmarkSettings
    """What portfolios are measured against: the name of an allocator, or a symbol, a file or a blend."""
    risk_free: float | RiskFreeSettings | None = None
    """What ratios are in excess of: a simple yearly rate spread evenly over days, or a rate, file or symbol; without
    it, what accounts earn on cash. It changes no account."""
    rebalance: Frequency = "monthly"
    min_history: float = Field(0.9, gt=0, le=1)
    """Share of the look-back's returns that an asset must have to receive a weight."""
    min_volatility: float = Field(0.0, ge=0, le=1)
    """Yearly volatility over the look-back below which an asset is left out as cash-like."""
    folds: FoldSettings = FoldSettings()
    policy: PolicySettings = PolicySettings()
    costs: TradingCostSettings = TradingCostSettings()
    accounting: AccountingSettings = AccountingSettings()
    risk: RiskSettings | None = None
    """Report of the risk on the last day, and an overlay on every allocator."""

    @model_serializer(mode="wrap")
    def _without_none(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Studies without risk or a risk-free series are written, and hashed, as if there were none."""
        values: dict[str, Any] = dump(self)
        for name in ("risk", "risk_free"):
            if getattr(self, name) is None:
                values.pop(name, None)
        return values

    @model_validator(mode="after")
    def _allocators(self) -> "PortfolioSettings":
        names = [a.name for a in self.allocators]
        if len(set(names)) != len(names):
            raise ValueError(f"allocator names repeat: {', '.join(names)}")
        if isinstance(self.benchmark, str) and self.benchmark not in names:
            raise ValueError(f"benchmark {self.benchmark!r} is no allocator;{nearest(self.benchmark, names)}")
        overlaid = self.risk is not None and self.risk.overlay is not None
        if overlaid and self.costs.impact is not None and self.costs.impact.participation is not None:
            raise ValueError(
                "risk.overlay changes what is held between decisions, and would cut off orders that "
                "costs.impact.participation spreads over days: leave out one of them"
            )
        if overlaid and (taken := [name for name in names if overlay_name(name) in names]):
            raise ValueError(f"{overlay_name(taken[0])!r} is the name of {taken[0]!r} with the overlay; choose another")
        return self


def demo_settings() -> PortfolioSettings:
    """The study of ``quantray demo``; ``workflows/configs/demo.yaml`` says the same with comments."""
    return PortfolioSettings(
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
