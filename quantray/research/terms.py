"""What every kind of study has settings for in the same words: costs, accounts, resampling, where it runs, tracking."""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from quantray.analytics.bootstrap import Resampling
from quantray.backtest.accounts import Accounting
from quantray.backtest.costs import ImpactCosts, LinearCosts
from quantray.backtest.own_costs import OwnCosts
from quantray.data.panel import Panel
from quantray.execution.impact import ImpactLaw, LawName, with_liquidity
from quantray.printable import masked_uri
from quantray.settings import Seed, SettingsModel

__all__ = [
    "AccountingSettings",
    "ClusterSettings",
    "CostSettings",
    "Environment",
    "ImpactSettings",
    "LagSettings",
    "ResamplingSettings",
    "TrackingSettings",
    "TradingCostSettings",
]


class Environment(BaseSettings):
    """What the environment may say: where data, results and the cluster are."""

    model_config = SettingsConfigDict(env_prefix="QUANTRAY_", extra="ignore")

    store: str = "market"
    """``QUANTRAY_STORE``: folder or address of the market store."""
    runs: str = "runs"
    """``QUANTRAY_RUNS``: folder for results and reports."""


class CostSettings(SettingsModel):
    """Linear trading costs; see ``backtest.costs.LinearCosts``."""

    half_spread_bps: float = Field(5.0, ge=0, le=1000)
    commission_bps: float = Field(0.5, ge=0, le=1000)

    def build(self) -> LinearCosts:
        """The cost model."""
        return LinearCosts(self.half_spread_bps, self.commission_bps)


class ImpactSettings(SettingsModel):
    """What trades move prices by; see ``execution.impact``."""

    model: LawName = "square_root"
    temporary: float | None = Field(None, gt=0)
    """Coefficient of impact that is over when trading is; by default the published one."""
    permanent: float | None = Field(None, ge=0)
    """Coefficient of impact that stays; by default the published one."""
    aum: float | None = Field(None, gt=0)
    """Money that is managed, for which trades are charged; by default what the accounts hold."""
    days: float = Field(1.0, gt=0, le=60)
    """Over which a trade is executed."""
    window_days: int = Field(21, ge=2, le=1000)
    """Of the trailing volume and volatility."""
    unknown_bps: float = Field(50.0, ge=0, le=10_000)
    """All that trades cost in names of which no volume or volatility is known."""
    participation: float | None = Field(None, gt=0, le=1)
    """Most of a usual day's volume that is traded of a name in a day; larger trades take several. By default all is
    traded at once."""

    @model_validator(mode="after")
    def _spread(self) -> "ImpactSettings":
        if self.participation is not None and self.days != 1:
            raise ValueError(f"participation says how many days a trade takes; leave out days, which is {self.days:g}")
        return self

    @model_serializer(mode="wrap")
    def _without_none(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Trades at once are written, and hashed, as if there were no other way."""
        values: dict[str, Any] = dump(self)
        if self.participation is None:
            values.pop("participation", None)
        return values

    def law(self) -> ImpactLaw:
        """The impact model."""
        return ImpactLaw(self.model, self.temporary, self.permanent)


class TradingCostSettings(CostSettings):
    """Costs of accounts in money, where the size of a trade can matter."""

    impact: ImpactSettings | None = None
    """None charges spread and commission alone."""
    model: str | None = Field(None, pattern=r"^[\w.]+(:\w+)?$")
    """A cost model of your own, by ``module:name`` or by the name that an installed package registers among
    ``quantray.costs``: then spread and commission are of schedules and of the risk report alone."""
    parameters: Mapping[str, JsonValue] = {}
    """Of the model of your own."""
    trial_seconds: float = Field(30.0, gt=0, le=3600)
    """That one call of it may take when it is tried before the study; no number changes."""

    @model_validator(mode="after")
    def _one(self) -> "TradingCostSettings":
        if self.model is None and {"parameters", "trial_seconds"} & self.model_fields_set:
            raise ValueError("parameters and trial_seconds need a model of your own, as module:name")
        if self.model is not None and self.impact is not None:
            raise ValueError(f"model {self.model} charges all that trades cost: leave out impact")
        return self

    @property
    def linear(self) -> LinearCosts:
        """Spread and commission alone."""
        return super().build()

    def build(self) -> LinearCosts | ImpactCosts | OwnCosts:  # type: ignore[override]
        """The cost model.

        Raises
        ------
        InputError
            As ``OwnCosts.of``.
        """
        linear, impact = self.linear, self.impact
        if self.model is not None:
            return OwnCosts.of(self.model, self.parameters)
        if impact is None:
            return linear
        return ImpactCosts(impact.law(), linear, impact.aum, impact.days, impact.unknown_bps, impact.participation)

    def prepared(self, panel: Panel) -> Panel:
        """The panel with what the costs need to know; raises ``DataError`` where it has no volumes for it."""
        if self.model is not None:
            return with_liquidity(panel) if "volume" in panel.fields else panel
        return panel if self.impact is None else with_liquidity(panel, days=self.impact.window_days)

    @model_serializer(mode="wrap")
    def _without_none(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Costs without impact or a model of one's own are written, and hashed, as if there were none."""
        values: dict[str, Any] = dump(self)
        left_out = ["impact"] if self.impact is None else []
        left_out += ["model", "parameters", "trial_seconds"] if self.model is None else []
        for name in left_out:
            values.pop(name, None)
        return values


class LagSettings(SettingsModel):
    """When trades follow decisions, for studies without accounts in money."""

    execution_lag: int = Field(1, ge=0, le=20)
    """Trading days from the close of a decision to the close at which it is traded."""


class AccountingSettings(LagSettings):
    """How the backtest keeps its accounts; see ``backtest.accounts.Accounting``."""

    initial_nav: float = Field(10_000_000.0, gt=0)
    dividends: Literal["reinvest", "cash"] = "reinvest"
    cash_rate: float = Field(0.0, ge=-0.1, le=1)
    delist_after: int = Field(10, ge=1)
    delisting_return: float = Field(0.0, ge=-1, le=1)

    def build(self) -> Accounting:
        """The accounting rules."""
        values = self.model_dump()
        return Accounting(lag=values.pop("execution_lag"), **values)


class ResamplingSettings(SettingsModel):
    """How sure numbers are: series resampled in blocks; see ``analytics.bootstrap``."""

    samples: int = Field(2000, ge=100, le=100_000)
    """Resampled series behind each interval."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    seed: Seed = 0

    def build(self) -> Resampling:
        """How series are resampled."""
        return Resampling(n_samples=self.samples, level=self.confidence, seed=self.seed)


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
    experiment: str = Field("quantray", min_length=1, max_length=200)

    @field_validator("uri")
    @classmethod
    def _uri(cls, uri: str | None) -> str | None:
        try:
            if uri is not None:
                urlsplit(uri).port  # noqa: B018  (what it refuses)
        except ValueError as error:
            raise ValueError(f"{masked_uri(uri or '')!r} is no address: {error}") from error
        return uri
