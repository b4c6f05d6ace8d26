"""The fields of a FIX message: tags and texts in their order, and amounts and times as FIX writes them."""

from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation

from quantray.errors import InputError
from quantray.oms.messages import money, price_of

__all__ = ["Fields", "amount", "field", "fix_time", "iso_time", "read_amount", "read_message", "read_whole"]

Fields = Sequence[tuple[int, str]]
"""Without a header where a message is to be sent, but for its type (35)."""


def read_message(text: str) -> Fields:
    """The fields of a whole message."""
    parts = (part.partition("=") for part in text.split("\x01") if part)
    return [(int(tag), value) for tag, _, value in parts]


def field(fields: Iterable[tuple[int, str]], tag: int, default: str | None = None) -> str:
    """The value of a field; raises ``InputError`` where it is missing and there is no default."""
    for each, value in fields:
        if each == tag:
            return value
    if default is None:
        raise InputError(f"field {tag} is missing.")
    return default


def amount(units: int) -> str:
    """Money as FIX has it, exactly."""
    return f"{price_of(units):f}"


def read_amount(text: str) -> int:
    """Units of money; raises ``InputError`` where it is none, or finer than one."""
    try:
        return money(Decimal(text))
    except InvalidOperation:
        raise InputError(f"{text!r} is no amount.") from None


def read_whole(text: str) -> int:
    """Shares; raises ``InputError`` where it is no whole number."""
    try:
        number = Decimal(text)
        if number == number.to_integral_value():
            return int(number)
    except (InvalidOperation, OverflowError, ValueError):
        pass
    raise InputError(f"{text!r} is no whole number.")


def fix_time(iso: str) -> str:
    """UTC as FIX has it, of ``2024-03-28T13:30:00.123Z``."""
    return iso.removesuffix("Z").replace("-", "").replace("T", "-")


def iso_time(text: str) -> str:
    """UTC, ISO 8601, of ``20240328-13:30:00.123``."""
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[9:]}Z"
