"""The fields of a FIX message: tags and texts in their order, and amounts and times as FIX writes them."""

from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation

from quantray.errors import InputError
from quantray.oms.messages import money, price_of

__all__ = ["Fields", "amount", "field", "fix_time", "iso_time", "read_amount", "read_message", "read_whole"]

Fields = Sequence[tuple[int, str]]
"""Without a header where a message is to be sent, but for its type (35)."""


_LENGTHS = frozenset({90, 93, 95, 212, 348, 350, 352, 354, 356, 358, 360, 362, 364, 445})
"""Fields that say how many bytes the next one has, in which anything may be, the end of a field too."""


def read_message(text: str) -> Fields:
    """The fields of a whole message; what is no UTF-8 is read as Latin-1."""
    content = text.encode("utf-8", "surrogateescape")
    fields: list[tuple[int, str]] = []
    start, size = 0, None
    while start < len(content):
        equals = content.index(b"=", start)
        end = content.index(b"\x01", equals) if size is None else equals + 1 + size
        tag, value = int(content[start:equals]), _text(content[equals + 1 : end])
        fields.append((tag, value))
        start, size = end + 1, int(value) if tag in _LENGTHS else None
    return fields


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


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
    """UTC, ISO 8601, of ``20240328-13:30:00``, with a fraction or not: in milliseconds, so that texts are in order."""
    clock, _, fraction = text[9:].partition(".")
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}T{clock}.{fraction[:3]:0<3}Z"
