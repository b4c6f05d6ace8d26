"""Settings of execution, for whoever plans the orders of a day."""

from pydantic import Field

from quantray.data.calendar import DEFAULT_EXCHANGE
from quantray.execution.impact import LawName
from quantray.execution.trade_list import PlanTerms
from quantray.settings import SettingsModel

__all__ = ["ExecutionSettings"]


class ExecutionSettings(SettingsModel):
    """How a day's orders are executed; see ``execution.plan``."""

    participation: float = Field(0.1, gt=0, le=1)
    """Most of a usual day's volume that is traded of a name in a day."""
    slices: int = Field(8, ge=1, le=400)
    """Of the session."""
    urgency: float = Field(1.0, ge=0, le=100)
    """How often an order falls by a factor e until it is done, where waiting is weighed against cost."""
    impact: LawName = "square_root"
    dark: float = Field(0.15, ge=0, le=1)
    """Share of each slice that is offered to dark pools."""

    def terms(self, exchange: str = DEFAULT_EXCHANGE, most_days: int | None = None) -> PlanTerms:
        """What a plan takes.

        Parameters
        ----------
        most_days : that an order may need; None lets it take as many as it needs.
        """
        return PlanTerms(
            participation=self.participation,
            slices=self.slices,
            urgency=self.urgency,
            dark=self.dark,
            exchange=exchange,
            most_days=most_days or 1,
            when_late="stretch" if most_days is None else "refuse",
        )
