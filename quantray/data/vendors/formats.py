"""What files of bars look like: columns, marks, dates, symbols, and what the prices are adjusted for.

``formats.yaml`` beside this file describes the vendors' files, in the same form as a user's own.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from quantray.data.vendors.parsing import DateForm
from quantray.errors import DataError, InputError, SolverError
from quantray.inputs import imported, read_yaml
from quantray.own import called, own_path, registered

__all__ = [
    "ADJUSTMENTS",
    "BAR_FIELDS",
    "CERTAIN",
    "COLUMN_NAMES",
    "FIELDS",
    "Adjusted",
    "Format",
    "formats",
    "named_format",
    "plain",
    "prices_of",
    "recognise",
    "spelling",
    "stated",
]

BAR_FIELDS = ("open", "high", "low", "close", "volume", "adj_close", "dividend", "split", "delist_return")
"""The fields of a daily bar that quantray knows; only ``close`` is required. ``delist_return`` stands on the last bar:
what its holders got afterwards, as a simple return on its close."""

FIELDS = (*BAR_FIELDS, "capital_gains", "total_return", "price_factor", "currency")
"""What a column may hold beside a date, a symbol and an id: fields of bars, and what these are worked out from:
``capital_gains`` paid by funds, the day's ``total_return``, the factor by which a price is divided to undo splits, and
the ``currency`` of a price, which may be a hundredth of one."""

COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    "date": ("date", "day", "datetime", "timestamp", "time", "trade_date", "tradingday", "dates", "exchange date",
             "datum", "fecha", "data", "<date>", "<dtyyyymmdd>", "trading date", "trade date"),
    "symbol": ("symbol", "ticker", "asset", "sid", "instrument", "act_symbol", "code", "<ticker>", "secid", "ric",
               "name"),
    "id": ("permno", "permanent_id", "asset_id", "figi", "composite_figi", "permaticker"),
    "open": ("open", "o", "open_price", "<open>", "px_open", "eröffnung", "eröffn.", "ouverture", "apertura",
             "otwarcie", "price open", "open price", "open_prc", "ouv.", "abertura"),
    "high": ("high", "h", "high_price", "<high>", "px_high", "hoch", "tageshoch", "plus haut", "máximo", "máxima",
             "massimo", "max.", "najwyzszy",
             "price high", "high price", "high_1"),
    "low": ("low", "l", "low_price", "<low>", "px_low", "tief", "tagestief", "plus bas", "mínimo", "mínima",
            "minimo", "min.", "najnizszy",
            "price low", "low price", "low_1"),
    "close": ("close", "c", "close_price", "last", "price", "<close>", "px_last", "close/last", "schluss",
              "schlusskurs", "zuletzt", "clôture", "dernier", "cierre", "último", "ultimo", "zamkniecie", "price close",
              "close price", "trdprc_1", "close close price adjusted for splits."),
    "volume": ("volume", "v", "vol", "shares", "<vol>", "vol.", "px_volume", "volumen", "umsatz", "stücke", "wolumen",
               "trading volume", "accumulated volume", "acvol_uns"),
    "adj_close": ("adj_close", "adj close", "adjclose", "adjusted_close", "adjusted close", "adj. close", "closeadj",
                  "adj close adjusted close price adjusted for splits and dividend and/or capital gain distributions."),
    "dividend": ("dividend", "dividends", "div_cash", "divcash", "dividend_amount", "ex-dividend"),
    "split": ("split", "splits", "split_factor", "splitfactor", "split_ratio", "stock splits", "split_coefficient"),
    "delist_return": ("delist_return", "dlret", "delisting_return"),
    "capital_gains": ("capital gains", "capital_gains", "capitalgains"),
    "currency": ("currency",),
}  # fmt: skip
"""Names by which files call each column, compared as ``spelling`` says; the first one present is taken."""

CERTAIN = 10
"""Added to an index into ``ADJUSTMENTS`` where the caller, not the maker of the file, says what prices account for."""
ADJUSTMENTS = ("unknown", "none", "splits", "splits and dividends")
Adjusted = Literal["unknown", "none", "splits", "splits and dividends"]
"""What the closes of a file already account for, as its maker states it."""


def stated(adjusted: Adjusted, *, certain: bool = False) -> str:
    """What a format, or the caller, says of its prices, behind the name of the format and a comma."""
    if certain:
        return f"prices {prices_of(adjusted)}, as --adjusted says"
    if adjusted == "unknown":
        return "which says nothing of what its prices account for"
    return f"prices {prices_of(adjusted)}, as that format states"


def prices_of(adjusted: Adjusted) -> str:
    """Adjusted for what, in words."""
    return {"unknown": "of which nothing is said", "none": "as traded"}.get(adjusted, f"adjusted for {adjusted}")


def _pattern(text: str) -> str:
    try:
        groups = re.compile(text).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    if groups != 1:
        raise ValueError(f"{text!r} needs exactly one pair of parentheses, around the symbol")
    return text


def _mark(text: str) -> str:
    if len(text) != 1 or text.isalnum() or text in "\r\n\"'":
        raise ValueError(f"{text!r} cannot stand between columns; give one mark, such as ';'")
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone; give one such as Asia/Tokyo") from error
    return name


Pattern = Annotated[str, AfterValidator(_pattern)]


class Format(BaseModel):
    """What the files of one maker look like; what is None or empty is found out from the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = ""
    """Empty: the file's header tells the format, and what is set here is added to it. A name decides alone."""
    description: str = ""
    header: tuple[str, ...] = ()
    """Columns that tell the format: all of them are there."""
    without: tuple[str, ...] = ()
    """Columns that other formats have."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Column in the file -> date, symbol, id or one of ``FIELDS``, before the spellings of ``COLUMN_NAMES``."""
    ignored: tuple[str, ...] = ()
    """Columns known to be of no use here."""
    layout: Literal["long", "wide"] | None = None
    field: str | None = None
    """What a wide file holds; by default what it is named after, or the close."""
    adjusted: Adjusted = "unknown"
    certain: bool = False
    """Whether the caller, who may know better than the maker, said ``adjusted``; see ``with_options``."""
    separator: Annotated[str, AfterValidator(_mark)] | None = None
    decimal: Literal[".", ","] | None = None
    thousands: Literal[".", ",", " ", "'"] | None = None
    dates: DateForm | None = None
    timezone: Annotated[str, AfterValidator(_zone)] | None = None
    """Of the exchange, for instants in UTC."""
    missing: tuple[str, ...] = ()
    """Marks of missing numbers beside the usual ones."""
    scale: float = Field(1.0, gt=0, le=1e9)
    """What a price is multiplied by; 0.01 for prices in pence."""
    symbol_from: Pattern | None = None
    """Regular expression with one group: the symbol in the file's name without its ending."""
    symbol_part: Pattern | None = None
    """Regular expression with one group: the symbol in the text of the symbol column or header."""
    function: str | None = None
    """``module:name`` of a function that makes a path into a frame with columns of these names, instead of all else; or
    the name that an installed package registers among ``quantray.formats``."""
    parameters: dict[str, Any] = Field(default_factory=dict)
    """Of the function."""

    def with_options(self, **options: Any) -> "Format":
        """The format with what the caller knows better.

        Raises
        ------
        InputError
            An option is unknown or has no sense.
        """
        given = {name: value for name, value in options.items() if value is not None}
        if "adjusted" in given:
            given["certain"] = True
        if "columns" in given:
            given["columns"] = {**self.columns, **given["columns"]}
        try:
            return type(self).model_validate({**self.model_dump(exclude_defaults=True), **given})
        except ValidationError as error:
            raise InputError(f"format {self.name or 'of these files'}: {_first(error)}") from error

    def reader(self) -> Callable[[Path], pd.DataFrame] | None:
        """The function named by ``function``, if any.

        Raises
        ------
        InputError
            It cannot be imported, or there are parameters and no function.
        """
        if self.function is None:
            if self.parameters:
                raise InputError(f"format {self.name}: parameters are of a function; name it as function: module:name.")
            return None
        found = imported(own_path(self.function, "formats") or self.function, f"format {self.name}: function")
        if not callable(found):
            raise InputError(f"format {self.name}: {self.function!r} is no function.")
        return partial(self._read, found)

    def _read(self, function: Callable[..., object], path: Path) -> pd.DataFrame:
        """What a user's function makes of a file."""
        told = f"format {self.name}: {self.function} of {path.name}"
        try:
            made = called(function, path, self.parameters, "", told)
        except SolverError as error:
            raise DataError(str(error)) from error
        if not isinstance(made, pd.DataFrame):
            raise DataError(f"{told} gave a {type(made).__name__}; it must give a frame with a row for each bar.")
        return made


def spelling(column: object) -> str:
    """A column's name as it is compared: lower case, without outer blanks and footnote stars."""
    return " ".join(str(column).lower().rstrip("* ").split())


@lru_cache(maxsize=1)
def formats() -> tuple[Format, ...]:
    """The formats that quantray knows by name."""
    text = Path(__file__).with_name("formats.yaml").read_text(encoding="utf-8")
    return tuple(Format.model_validate(entry) for entry in yaml.safe_load(text))


def plain() -> Format:
    """The format of files that nobody in particular makes: what the README describes."""
    return formats()[0]


def named_format(name: str) -> Format:
    """A format by name, from a YAML file that describes one, or read by a function of the user's own.

    A function is named as ``module:name``, or as a package registers it among ``quantray.formats``.

    Raises
    ------
    InputError
        There is no such format, or the file does not describe one.
    """
    known = {found.name: found for found in formats()}
    if name in known:
        return known[name]
    path = Path(name)
    if own_path(name, "formats") is not None and not path.exists():
        return Format(name=name, function=name)
    if path.suffix not in (".yaml", ".yml"):
        raise InputError(
            f"format {name!r} is unknown; give a YAML file that describes it, a function of yours as module:name, or "
            f"one of {', '.join([*known, *registered('formats')])}."
        )
    content = read_yaml(path, "format")
    if not isinstance(content, dict):
        raise InputError(f"{path} does not describe a format; write `key: value` lines.")
    try:
        return Format.model_validate({"name": path.stem, **content})
    except ValidationError as error:
        raise InputError(f"{path}: {_first(error)}") from error


def recognise(columns: Sequence[object], stem: str) -> Format:
    """The format that a header tells, or ``plain``; of several the one that asks for most.

    Parameters
    ----------
    stem : the file's name without its ending, which tells formats whose headers say too little.

    Raises
    ------
    DataError
        Two formats with different adjustments fit equally well.
    """
    present = {spelling(column) for column in columns}
    fitting = [
        found
        for found in formats()[1:]
        if (found.header or found.symbol_from)
        and set(found.header) <= present
        and not present & set(found.without)
        and (found.symbol_from is None or re.search(found.symbol_from, stem))
    ]
    if not fitting:
        return plain()
    weight = {found.name: len(found.header) + 20 * (found.symbol_from is not None) for found in fitting}
    best = [found for found in fitting if weight[found.name] == max(weight.values())]
    if len({found.adjusted for found in best}) > 1:
        told = " or ".join(f"{found.name} (prices {prices_of(found.adjusted)})" for found in best)
        raise DataError(f"{stem} may be {told}; say which with --format.")
    return best[0]


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{where!r} is no property of a format; they are {', '.join(Format.model_fields)}."
    return f"{where}: {first['msg'].removeprefix('Value error, ')}."
