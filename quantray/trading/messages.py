"""What is said between a day and a manager's world: bytes of JSON, checked by whoever reads them.

A world may be anybody's code. What it says is data, never objects: it is read within bounds, and what does not fit is
refused with a reason.
"""

import json
from collections.abc import Collection, Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from quantray.errors import DataError

__all__ = ["LONGEST", "Decided", "Holding", "News", "Wish", "as_bytes", "read_decided", "read_news"]

LONGEST = 8 << 20
"""Bytes of one message."""

_Count = Annotated[int, Field(ge=0, le=10**15)]
_Name = Annotated[str, Field(min_length=1, max_length=64)]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Holding(_Message):
    """What an account has: units of money, and shares of the symbols that it holds."""

    cash: int
    shares: dict[_Name, _Count]


class News(_Message):
    """A bar that has passed, of the symbols of a world in its order, and what its accounts hold after it.

    Parameters
    ----------
    bar : number, rising by one; the bars before the day are negative.
    open, high, low, close : units of money a share.
    """

    bar: int
    open: tuple[_Count, ...]
    high: tuple[_Count, ...]
    low: tuple[_Count, ...]
    close: tuple[_Count, ...]
    volume: tuple[_Count, ...]
    accounts: dict[_Name, Holding]


class Wish(_Message):
    """Shares of a symbol that accounts want to buy or sell together."""

    symbol: _Name
    side: Literal["buy", "sell"]
    demands: dict[_Name, Annotated[int, Field(ge=1, le=10**12)]] = Field(min_length=1)


class Decided(_Message):
    """What a world wants after a bar.

    Parameters
    ----------
    at : nanoseconds of the machine's steady clock when it was decided.
    earned : by strategy, money of the currency that its positions on paper have earned so far in the day.
    failed : why strategies could not decide; what they wanted before still stands.
    """

    bar: int
    at: Annotated[int, Field(ge=0, lt=2**63)]
    wishes: tuple[Wish, ...]
    earned: dict[_Name, Annotated[float, Field(ge=-1e15, le=1e15)]]
    failed: dict[_Name, Annotated[str, Field(max_length=300)]]


_NEWS = TypeAdapter(News)
_DECIDED = TypeAdapter(Decided)


def as_bytes(message: News | Decided) -> bytes:
    """A message as it is sent."""
    return message.model_dump_json().encode()


def read_news(raw: bytes) -> News:
    """A bar as it was sent."""
    return _NEWS.validate_json(raw)


def read_decided(
    raw: bytes, *, bar: int, symbols: Collection[str], accounts: Collection[str], strategies: Collection[str]
) -> Decided:
    """What a world decided, if it is an answer to a bar, of its own symbols, accounts and strategies.

    Raises
    ------
    DataError
        It is none; in one line.
    """
    try:
        said = _DECIDED.validate_json(raw)
    except (ValidationError, RecursionError) as error:
        raise DataError(f"it says no decision: {_why(error)}.") from error
    if said.bar != bar:
        raise DataError(f"it answers bar {said.bar} when it was asked about bar {bar}.")
    asked = [(wish.symbol, wish.side) for wish in said.wishes]
    named: Mapping[str, tuple[Collection[str], Collection[str]]] = {
        "symbol": ({symbol for symbol, _ in asked}, symbols),
        "account": ({account for wish in said.wishes for account in wish.demands}, accounts),
        "strategy": (said.earned.keys() | said.failed.keys(), strategies),
    }
    for what, (those, known) in named.items():
        if foreign := sorted(each for each in those if each not in known):
            raise DataError(f"it names the {what} {json.dumps(foreign[0])}, which is not its own.")
    if len(set(asked)) != len(asked):
        raise DataError("it wants to buy or sell a symbol twice.")
    return said


def _why(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "it nests without measure"
    first = error.errors(include_input=False, include_url=False)[0]
    place = ".".join(str(each)[:40] for each in first["loc"][:4])
    return f"{place or 'all of it'}: {first['msg'][:120]}"
