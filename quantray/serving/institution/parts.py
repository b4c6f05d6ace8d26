"""What all that travels between the order management and its people is made of."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Name", "OwnId", "Page", "Part", "Price", "Reason", "Shares", "Symbol"]

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$")]
OwnId = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")]
"""That a caller chooses, and gives again when it heard no answer: the same twice is done once."""
Symbol = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[\x21-\x7e]+$")]
Shares = Annotated[int, Field(strict=True, ge=1, le=10**9)]
Price = Annotated[Decimal, Field(gt=0, le=10**9, decimal_places=4, allow_inf_nan=False)]
Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Part(BaseModel):
    """Whatever travels: nothing that it does not know, and nothing changed on the way."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Page(Part):
    """Some rows of all."""

    total: int
    offset: int
