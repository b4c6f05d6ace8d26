"""Settings of risk in a study of portfolios: what the report tells of the last day, and what holds exposure down."""

from pydantic import Field, model_validator

from quantray.risk.drawdown import Protection
from quantray.risk.limits import Limit
from quantray.settings import SettingsModel

__all__ = ["OverlaySettings", "RiskSettings", "VolatilityTarget", "overlay_name"]

_METRICS = ("gross", "net", "var", "es", "liquidity days")
_KINDS = ("book", "name", "sector")
"""What limits may be about that decisions are held to."""


def overlay_name(name: str) -> str:
    """What a portfolio is called when the overlay is on it."""
    return f"{name} with overlay"


class VolatilityTarget(SettingsModel):
    """Hold as much as is expected to have a volatility; see ``risk.sizing.volatility_exposure``."""

    target: float = Field(0.10, gt=0, le=1)
    """Yearly."""
    half_life: float = Field(20.0, gt=0, le=1000)
    """Days in which a squared return loses half its weight."""
    most: float = Field(1.0, gt=0, le=3)
    """Largest exposure; above 1 it borrows."""


class OverlaySettings(SettingsModel):
    """What is done to the decisions of every allocator, in this order: scaling and limits, then exposure.

    Every part is off unless it is given. A copy of each allocator without all this stays in the study.
    """

    risk_budget: float | None = Field(None, gt=0, le=100)
    """Dynamic scaling: decisions whose value-at-risk at 99 % exceeds this times 2 % of NAV are cut to it."""
    obey: bool = False
    """Whether decisions are traded back within the hard levels of the limits, by the smallest trade that does."""
    volatility: VolatilityTarget | None = None
    protection: Protection | None = None
    """Hold less the deeper the portfolio at full size has fallen; see ``risk.drawdown.Protection``."""
    band: float = Field(0.05, ge=0, le=1)
    """Exposure is traded between decisions once it is farther than this from what is wanted."""

    @model_validator(mode="after")
    def _something(self) -> "OverlaySettings":
        if not (self.risk_budget or self.obey or self.volatility or self.protection):
            raise ValueError("the overlay does nothing; give risk_budget, obey, volatility or protection")
        return self


class RiskSettings(SettingsModel):
    """The risk of the portfolios on their last day, and an overlay."""

    level: float = Field(0.99, gt=0.5, lt=1)
    """Of the value-at-risk that is split among positions, in the report."""
    limits: tuple[Limit, ...] = ()
    overlay: OverlaySettings | None = None

    @model_validator(mode="after")
    def _obeyed(self) -> "RiskSettings":
        names = [limit.name for limit in self.limits]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two limits are called {twice[0]!r}; give each a name of its own")
        if self.overlay is None or not self.overlay.obey:
            if moving := [limit.name for limit in self.limits if limit.moves is not None]:
                raise ValueError(f"{moving[0]!r} moves, which overlay.obey alone follows; set it, or leave moves out")
            return self
        if not self.limits:
            raise ValueError("overlay.obey needs limits")
        for limit in self.limits:
            if limit.metric not in _METRICS or limit.kind not in _KINDS:
                raise ValueError(
                    f"overlay.obey cannot keep {limit.name!r}: of a decision it knows {', '.join(_METRICS)} by "
                    f"{', '.join(_KINDS)}"
                )
        return self
