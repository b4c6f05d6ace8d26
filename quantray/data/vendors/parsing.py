"""Numbers and dates as people write them: decimal commas, thousands, magnitudes, day before month, epochs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from quantray.arrays import Bool, Float

__all__ = [
    "CURRENCIES",
    "MISSING",
    "NUMBER",
    "DateForm",
    "NumberStyle",
    "UnreadableError",
    "number_style",
    "read_dates",
    "read_numbers",
]

MISSING = ("", "-", "--", "–", "—", ".", "n/a", "na", "nan", "null", "none", "#n/a", "#n/a n/a", "#value!", "<na>")
"""What stands for a missing number in files, compared without case; names of symbols are not looked up here."""

DateForm = Literal["YMD", "DMY", "MDY", "epoch", "excel"]
"""Order of the parts of a date; ``epoch`` counts seconds to nanoseconds from 1970, ``excel`` days of spreadsheets."""

CURRENCIES = (
    "AED", "ARS", "AUD", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CZK", "DKK", "EGP", "EUR", "GBP",
    "HKD", "HUF", "IDR", "ILS", "INR", "ISK", "JPY", "KRW", "MXN", "MYR", "NOK", "NZD", "PEN", "PHP",
    "PLN", "RON", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "VND", "ZAR",
)  # fmt: skip
"""Codes that may stand beside a number; none of a hundredth of a currency, which would change the number."""

_LARGEST = 1e30
"""Of numbers, and of one divided by them: beyond it, ratios of ratios leave what a float can hold."""
_ROWS = 1 << 16
"""Looked at together: what comes and goes on the way then stays in the processor's cache."""

_MONEY = "(?:" + "|".join(CURRENCIES) + r"|[A-Z]{0,2}[$€£¥])"
NUMBER = re.compile(rf"^{_MONEY}?\s*[-+−]?\s*\d[\d.,'’\s]*[KMBT%]?\s*{_MONEY}?$")
"""What may be a number in some style."""
_SIGN = re.compile(rf"^{_MONEY}\s*|\s*{_MONEY}$")

_MAGNITUDE = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "%": 1e-2}
_OFFSET = r"(?<=:\d\d)(?:\.\d+)?\s*(?:Z|UTC|[+-]\d{2}:?\d{2})$"
_TIME = r"(?<=\d)[T ]\s*\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?\s*(?:[AaPp][Mm])?$"
_EPOCH = r"\d{9,10}|\d{13}|\d{16}|\d{19}"
_PARTS = re.compile(r"^(\d{1,2})([./-])(\d{1,2})\2(\d{2}|\d{4})$")
_WRITTEN = (
    "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%d-%b-%y", "%b %d %Y", "%d/%b/%Y", "%d%b%Y",
    "%a %b %d %Y", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d",
)  # fmt: skip


class UnreadableError(Exception):
    """A cell that cannot be read: its position, and what to do about it."""

    def __init__(self, position: int, remedy: str) -> None:
        super().__init__(remedy)
        self.position, self.remedy = position, remedy


@dataclass(frozen=True)
class NumberStyle:
    """How numbers are written: the decimal mark, and the mark between groups of three digits, if any."""

    decimal: str = "."
    thousands: str = ""


def number_style(tokens: Sequence[str], *, separator: str = ",", counts: bool = False) -> NumberStyle | None:
    """The one style in which all tokens are numbers; None where two styles read them differently.

    Parameters
    ----------
    tokens : texts of number columns; those without a digit do not count.
    separator : of the columns; where it is a semicolon, a point may group thousands.
    counts : whether points stand in a column of whole numbers, such as volumes; there, too, they may group thousands.
    """
    comma = [t for t in tokens if "," in t]
    point = [t for t in tokens if "." in t]
    if not comma:
        grouped = all(re.fullmatch(r"\D*\d{1,3}(?:\.\d{3})+\D*", t) for t in point)
        several = any(t.count(".") > 1 for t in point)
        if point and grouped and several:
            return NumberStyle(",", ".")
        return None if point and grouped and (separator == ";" or counts) else NumberStyle(".", ",")
    if any(t.rfind(",") > t.rfind(".") > -1 for t in comma):
        return NumberStyle(",", ".")
    if any(t.rfind(".") > t.rfind(",") > -1 for t in point) or any(t.count(",") > 1 for t in comma):
        return NumberStyle(".", ",")
    grouped = all(re.fullmatch(r"\D*[1-9]\d{0,2}(?:,\d{2,3})*,\d{3}\D*", t) for t in comma)
    if not grouped:
        return NumberStyle(",", ".")
    return NumberStyle(".", ",") if any(not re.fullmatch(r"\D*\d{1,3}\.\d{3}\D*", t) for t in point) else None


def read_numbers(values: pd.Series, style: NumberStyle, *, missing: Sequence[str] = ()) -> Float:
    """(rows,) numbers of a column of text or numbers; NaN where a mark of ``MISSING`` or ``missing`` stands.

    Currency signs and blanks around a number are cut off, blanks and apostrophes between its digits taken as marks of
    thousands, and K, M, B, T and % at its end multiplied out.

    Raises
    ------
    UnreadableError
        A cell is no number, or larger or smaller than any price.
    """
    if pd.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        marked = [number for mark in missing if (number := _number(mark, style, set())) is not None]
        if marked:
            numbers = np.where(np.isin(numbers, marked), np.nan, numbers)
        return _finite(numbers)
    if pd.api.types.is_datetime64_any_dtype(values):
        raise UnreadableError(0, "is a date and no number; name the column otherwise, or leave it out.")
    codes, unique = pd.factorize(values.astype("str"))
    marks = {*MISSING, *(mark.lower() for mark in missing)}
    found = [_number(str(text), style, marks) for text in unique]
    # An empty cell has the code -1, which takes the last element.
    numbers = np.array([*(np.nan if number is None else number for number in found), np.nan], dtype=np.float64)
    bad = np.array([*(number is None for number in found), False], dtype=np.bool_)
    return _finite(numbers[codes], bad[codes] if bad.any() else None)


def _finite(numbers: Float, bad: Bool | None = None) -> Float:
    """The numbers, none of them infinite, bad or of a size that no price has."""
    if bad is None and all(_usual(numbers[start : start + _ROWS]) for start in range(0, len(numbers), _ROWS)):
        return numbers
    wrong = np.isinf(numbers) if bad is None else bad | np.isinf(numbers)
    if wrong.any():
        raise UnreadableError(
            int(np.argmax(wrong)), "is not a number; name a mark for missing values with --missing, or mend the cell."
        )
    size = np.abs(numbers)
    absurd = (size > _LARGEST) | ((size < 1 / _LARGEST) & (size > 0))
    if absurd.any():
        raise UnreadableError(int(np.argmax(absurd)), "is no price, volume or return of anything; mend the cell.")
    return numbers


def _usual(numbers: Float) -> bool:
    size = np.abs(numbers)
    # Comparisons with NaN are false.
    return not ((size > _LARGEST) | ((size < 1 / _LARGEST) & (size > 0))).any()


def _number(text: str, style: NumberStyle, missing: set[str]) -> float | None:
    """A number, NaN for a missing mark, None where the text is neither."""
    bare = _SIGN.sub("", text.strip())
    if bare.lower() in missing:
        return float("nan")
    scale = _MAGNITUDE.get(bare[-1:].upper(), 1.0)
    if scale != 1.0:
        bare = bare[:-1].strip()
    bare = re.sub(r"(?<=\d)[\s'’](?=\d{3})", "", bare).replace("−", "-")
    if style.thousands and style.thousands in bare:
        whole = bare.partition(style.decimal)[0].lstrip("+-")
        mark = re.escape(style.thousands)
        if not re.fullmatch(rf"\d{{1,3}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}", whole):
            return None
        bare = bare.replace(style.thousands, "")
    if style.decimal != ".":
        bare = bare.replace(style.decimal, ".")
    if "_" in bare:
        return None
    try:
        return float(bare) * scale
    except ValueError:
        return None


def read_dates(values: pd.Series, *, form: DateForm | None = None, timezone: str | None = None) -> pd.Series:
    """(rows,) dates on the exchange's clock, datetime64[s] at midnight.

    An offset from UTC beside a local time is cut off. Instants in UTC (epochs, a Z) take the date of ``timezone``;
    without one, that of UTC.

    Parameters
    ----------
    form : order of the parts; by default the only one in which all dates exist and fall on few weekends.

    Raises
    ------
    UnreadableError
        A value is no date, or two orders read the column differently.
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return _midnights(values, timezone)
    # Panels repeat each date for every symbol.
    codes, unique = pd.factorize(values)
    if (codes < 0).any():
        raise UnreadableError(int(np.argmax(codes < 0)), _NO_DATE)
    distinct = pd.Series(unique)
    if not pd.api.types.is_numeric_dtype(values):
        text = distinct.astype("str").str.strip()
        epochs = len(text) and re.fullmatch(_EPOCH, text.iloc[0]) and text.str.fullmatch(_EPOCH).all()
        counted = form in ("epoch", "excel") or epochs
        distinct = pd.to_numeric(text, errors="coerce") if counted else text
    numeric = pd.api.types.is_numeric_dtype(distinct)
    read = _counted(distinct, form) if numeric else _written(distinct, form, timezone)
    try:
        return _midnights(read, timezone).iloc[codes].set_axis(values.index)
    except UnreadableError as error:
        raise UnreadableError(int(np.argmax(codes == error.position)), error.remedy) from None


_NO_DATE = "is not a date; use YYYY-MM-DD, name the order with --dates, or delete the row."


def _midnights(stamps: pd.Series, timezone: str | None) -> pd.Series:
    missing = stamps.isna().to_numpy()
    if missing.any():
        raise UnreadableError(int(np.argmax(missing)), _NO_DATE)
    if getattr(stamps.dt, "tz", None) is not None:
        utc = str(stamps.dt.tz) in {"UTC", "utc", "UTC+00:00"}
        if utc and timezone is None:
            _of_utc_or_refuse(stamps)
        stamps = (
            stamps.dt.tz_convert(timezone).dt.tz_localize(None) if utc and timezone else stamps.dt.tz_localize(None)
        )
    instants, days = stamps.to_numpy(), np.empty(len(stamps), dtype="datetime64[s]")
    for start in range(0, len(days), _ROWS):
        days[start : start + _ROWS] = instants[start : start + _ROWS].astype("datetime64[D]")
    return pd.Series(days, index=stamps.index, name=stamps.name, copy=False)


def _of_utc_or_refuse(stamps: pd.Series) -> None:
    """Refuse instants whose day begins in another time zone.

    They fall on Sundays and never on Fridays; or all are midnights between Sydney and Mumbai, at which no exchange of
    the other hemisphere closes: a few days need not have a Sunday among them.
    """
    remedy = "name the exchange's clock, as --timezone Asia/Tokyo"
    midnight = (stamps == stamps.dt.normalize()).all()
    days = stamps.dt.day_of_week
    if not midnight and (days == 6).any() and not (days == 4).any():
        sunday = int(np.argmax((days == 6).to_numpy()))
        raise UnreadableError(sunday, f"is a Sunday in UTC, and no row is a Friday: {remedy}.")
    minutes = (stamps.dt.hour * 60 + stamps.dt.minute).to_numpy()
    # Clocks are put forward by an hour.
    whole = (minutes % 60 == 0).all() and minutes.min() >= 13 * 60 and minutes.max() <= 17 * 60
    if (whole and minutes.max() - minutes.min() <= 60) or (minutes == 18 * 60 + 30).all():
        raise UnreadableError(
            0, f"is midnight in another time zone: {remedy}, or --timezone UTC if its day in UTC is the right one."
        )


def _counted(values: pd.Series, form: DateForm | None) -> pd.Series:
    """Dates written as numbers: YYYYMMDD, epochs told by their magnitude, and Excel's days where they are named."""
    size = values.astype("float64").abs()
    largest = float(size.max())
    try:
        if form == "excel":
            days: pd.Series = pd.Timestamp("1899-12-30") + pd.to_timedelta(values.astype("float64"), unit="D")
            return days
        if largest >= 1e8:
            unit = "s" if largest < 1e11 else "ms" if largest < 1e14 else "us" if largest < 1e17 else "ns"
            instants = pd.to_timedelta(values.to_numpy(), unit=unit)  # type: ignore[call-overload]  # a unit is a word
            return pd.Series(pd.Timestamp(0, tz="UTC") + instants)
    except (OverflowError, pd.errors.OutOfBoundsTimedelta, pd.errors.OutOfBoundsDatetime):
        raise UnreadableError(int(size.argmax()), _NO_DATE) from None
    dates = pd.to_datetime(values.astype("str").str.removesuffix(".0"), format="%Y%m%d", errors="coerce")
    if dates.isna().all() and values.between(20_000, 80_000).all():
        raise UnreadableError(0, "is a number of days, as spreadsheets count; read it with --dates excel.")
    return dates


def _written(text: pd.Series, form: DateForm | None, timezone: str | None) -> pd.Series:
    if timezone is not None or text.str.contains(r"\d\s*(?:Z|UTC|\+00:?00)$", regex=True).all():
        instants = pd.to_datetime(text, errors="coerce", format="ISO8601", utc=True)
        zoned = text.str.contains(_OFFSET, regex=True)
        if instants.notna().all() and zoned.all():
            return instants
    local = text.str.replace(_OFFSET, "", regex=True)
    if form not in ("DMY", "MDY"):
        found = pd.to_datetime(local, errors="coerce", format="ISO8601")
        if found.notna().all() or form == "YMD":
            return found
    codes, unique = pd.factorize(local.str.replace(_TIME, "", regex=True))
    days = pd.Series(unique).str.strip()
    first = days.iloc[0] if len(days) else ""
    if _PARTS.match(first):
        return _ordered(days, form).iloc[codes].set_axis(text.index)
    # What cannot be read is named by the first value that the best reading leaves out.
    best = pd.to_datetime(days, errors="coerce", format="ISO8601")
    for written in _WRITTEN:
        read = pd.to_datetime(days, errors="coerce", format=written)
        best = read if read.notna().sum() > best.notna().sum() else best
    return best.iloc[codes].set_axis(text.index)


def _ordered(days: pd.Series, form: DateForm | None) -> pd.Series:
    """Dates such as 04.01.2021, in the order named or in the only one that makes sense."""
    mark = str(days.iloc[0])[len(str(days.iloc[0]).split("/")[0].split(".")[0].split("-")[0])]
    year = "%Y" if len(str(days.iloc[0])) - str(days.iloc[0]).rfind(mark) == 5 else "%y"
    readings = {
        "DMY": pd.to_datetime(days, errors="coerce", format=f"%d{mark}%m{mark}{year}"),
        "MDY": pd.to_datetime(days, errors="coerce", format=f"%m{mark}%d{mark}{year}"),
    }
    if form in readings:
        return readings[form]
    # Nobody writes the month first between points.
    whole = {order: found for order, found in readings.items() if found.notna().all() and (order, mark) != ("MDY", ".")}
    if len(whole) == 1:
        return next(iter(whole.values()))
    if not whole:
        return readings["DMY" if readings["DMY"].notna().sum() >= readings["MDY"].notna().sum() else "MDY"]
    weekend = {order: float((found.dt.day_of_week >= 5).mean()) for order, found in whole.items()}
    low, high = sorted(whole, key=lambda order: weekend[order])
    if weekend[low] < 0.02 and weekend[high] > 0.1 and len(days) >= 10:
        return whole[low]
    both = " or ".join(f"{found.iloc[0].date()} ({order})" for order, found in whole.items())
    raise UnreadableError(0, f"may be {both}; say which with --dates DMY or --dates MDY.")
