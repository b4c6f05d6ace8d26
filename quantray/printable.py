"""Text on its way out: what a terminal would obey is shown, secrets are masked, what a spreadsheet would run is quoted.

Secrets come in with settings and addresses, and are masked where these become text: ``masked_content`` for settings,
``masked_uri`` for one address, ``masked`` for messages, whoever worded them. Data are shown as they are, for a symbol
such as ``TOKEN=A`` is no secret: ``printable`` takes but the logins of addresses from them. What is kept as JSON is
masked value by value with ``each_text``, never as JSON.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

__all__ = [
    "MASK",
    "csv_text",
    "each_text",
    "is_masked",
    "masked",
    "masked_addresses",
    "masked_change",
    "masked_content",
    "masked_uri",
    "printable",
]

MASK = "***"
"""What stands for a secret."""

_SECRET = (
    r"(?:password|passwd|passphrase|pwd|secret|(?:auth|access|refresh|bearer)?token|credential|"
    r"(?:api|access|account|secret|private)[_-]?key)"
)
_SECRET_NAME = re.compile(
    rf"(?:.*[_.\- ])?{_SECRET}(?P<several>s?)|.*(?:password|passwd|secret)|sas|sig|signature", re.IGNORECASE
)
_HUMP = re.compile(r"(?<=[a-z\d])(?=[A-Z])")
# A value ends with a blank, or with its quotes; the marks of the sentence behind it are no part of it.
_PAIR = re.compile(
    rf"((?:{_SECRET}s?|signature|(?<![A-Za-z])(?:sas|sig))=)"
    r"(\"[^\"\n]*\"|'[^'\n]*'|[^\s&;]*[^\s&;.,:)\]}>\"'])",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(\bbearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_MASKED = re.compile(r"://\*\*\*@|=\*\*\*(?![^&\s;.,:)\]}>\"'])|^\*\*\*$")
_URI = re.compile(r"[A-Za-z][\w+.-]*://")
_NETLOC = re.compile(r"[^/?#]*")
_HOST = re.compile(r"(?:\[[\da-fA-F:.]*\]|[^:]*)(?::\d{0,5})?[^\w]*")
"""And its port, with the marks of a sentence behind it."""
_WORD = re.compile(r"\S*")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def masked(text: str) -> str:
    """A message without the logins of addresses, and without values that are called passwords, tokens or keys."""
    text = masked_addresses(text)
    if "=" in text:
        text = _PAIR.sub(_hidden, text)
    return _BEARER.sub(rf"\1{MASK}", text)


def masked_addresses(text: str) -> str:
    """A text in which every address stands without its login and the secrets of its query."""
    if "://" not in text:
        return text
    first, *others = text.split("://")
    return "://".join([first, *map(_without_login, others)])


def masked_uri(uri: str) -> str:
    """One address without its login, whatever characters that has, and without the secrets of its query."""
    scheme, mark, rest = uri.partition("://")
    end = _login(_begin(_NETLOC, rest), rest)
    return masked(f"{scheme}{mark}{MASK}{rest[end:]}" if end >= 0 else uri)


def masked_content(content: Any, name: str = "") -> Any:
    """Nested settings in which addresses and pairs are masked, and texts and numbers with the name of a secret whole.

    Parameters
    ----------
    name : key that the content stands under.
    """
    if isinstance(content, Mapping):
        secret = _SECRET_NAME.fullmatch(name)
        return {key: masked_content(value, name if secret else str(key)) for key, value in content.items()}
    if isinstance(content, list):
        return [masked_content(item, name) for item in content]
    if isinstance(content, bool) or not isinstance(content, str | int | float) or name == "symbols":
        return content
    if content != "" and (secret := _SECRET_NAME.fullmatch(_HUMP.sub("_", name))):
        # Several tokens and a number are a count.
        return content if secret["several"] and not isinstance(content, str) else MASK
    if not isinstance(content, str):
        return content
    return masked_uri(content) if _URI.match(content) else masked(content)


def masked_change(change: str) -> str:
    """What ``--set`` takes, ``a.b=value``, as ``masked_content`` masks the value under its key."""
    key, mark, value = change.partition("=")
    return f"{key}{mark}{masked_content(value, key.strip().rpartition('.')[2])}"


def each_text(content: Any, change: Callable[[str], str], *, but: Collection[str] = ()) -> Any:
    """Nested content in which every text is changed; keys are not.

    Parameters
    ----------
    but : keys of what is left alone.
    """
    if isinstance(content, Mapping):
        return {key: value if key in but else each_text(value, change, but=but) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [each_text(item, change, but=but) for item in content]
    return change(content) if isinstance(content, str) else content


def is_masked(text: str) -> bool:
    """Whether something of a text was masked."""
    return MASK in text and _MASKED.search(text) is not None


def printable(text: str, *, keep: str = "") -> str:
    """A text in which what cannot be seen, or would steer a terminal, stands as its code; without logins of addresses.

    Parameters
    ----------
    keep : characters to leave alone, such as line breaks.
    """
    text = masked_addresses(text)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _spelt(one) for one in text)


def csv_text(text: str) -> str:
    """A text that spreadsheets take for a text: behind an apostrophe where it would begin a formula."""
    text = printable(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _spelt(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def _hidden(pair: re.Match[str]) -> str:
    # `SIG=F` is the symbol of a future, and no secret has one character.
    return pair[0] if len(pair[2]) == 1 else f"{pair[1]}{MASK}"


def _without_login(rest: str) -> str:
    """What follows ``://`` in a text, without what stands before the host."""
    word = _begin(_WORD, rest)
    end = _login(_begin(_NETLOC, word), word, rest.partition("\n")[0])
    shown = rest[max(end, 0) :]
    address = _begin(_WORD, shown)
    return (MASK if end >= 0 else "") + _PAIR.sub(_hidden, address) + shown[len(address) :]


def _login(netloc: str, address: str, line: str = "") -> int:
    """Place of the @ behind the login of what follows ``://``; negative where there is none.

    Parameters
    ----------
    netloc : up to the first slash; people write passwords with slashes, too.
    line : that the address stands in, where blanks do not end it for sure.
    """
    if (end := netloc.rfind("@")) >= 0 or ":" not in netloc or _HOST.fullmatch(netloc):
        return end
    if (end := address.rfind("@")) >= 0 or (first := line.find("@")) < 0:
        return end
    return first + _begin(_WORD, line[first:]).rfind("@")


def _begin(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text)
    return found[0] if found else ""
