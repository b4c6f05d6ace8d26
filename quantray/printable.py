"""Text on its way out: what a terminal would obey is shown, secrets are masked, what a spreadsheet would run is quoted.

Whatever quantray prints, logs, tracks or writes for people passes here, by the one door of each way: ``terminal`` for a
terminal and logs, ``errors`` for messages, ``settings`` for settings files, trackers and reports, ``analytics.page``
for HTML, and ``csv_text`` for tables that spreadsheets open.
"""

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["MASK", "csv_text", "is_masked", "masked", "masked_content", "printable"]

MASK = "***"
"""What stands for a secret."""

_SECRET = r"(?:password|passwd|passphrase|pwd|secret|token|credentials?|(?:api|access|account|secret|private)[_-]?key)"
_SECRET_KEY = re.compile(rf"(?:.*[_.\- ])?{_SECRET}|sas|sig|signature", re.IGNORECASE)
# Passwords may hold any mark as people write them, a slash too; what stands before a port and a slash is a host. Limits
# keep crafted texts from taking long.
_LOGIN = re.compile(
    r"(\b[A-Za-z][\w+.-]{0,30}://)"
    r"(?:[^/\s\"'<>]{0,500}|(?![^:/\s@]{0,300}:\d{1,5}/)[^:/\s@\"'<>]{0,300}:[^\s\"'<>]{0,300})@"
)
_PAIR = re.compile(rf"((?:{_SECRET}|signature|(?<![A-Za-z])(?:sas|sig))=)[^&\s\"'<>;,)]+", re.IGNORECASE)
_BEARER = re.compile(r"(\bbearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_MASKED = re.compile(r"://\*\*\*@|=\*\*\*(?![^&\s;,])|^\*\*\*$")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def masked(text: str) -> str:
    """A text without the login of its addresses, and without values that are called passwords, tokens or keys."""
    if "://" in text:
        text = _LOGIN.sub(rf"\1{MASK}@", text)
    if "=" in text:
        text = _PAIR.sub(rf"\1{MASK}", text)
    return _BEARER.sub(rf"\1{MASK}", text)


def masked_content(content: Any, name: str = "") -> Any:
    """Nested settings in which ``masked`` was done to all texts, and texts with the name of a secret are masked whole.

    Parameters
    ----------
    name : key that the content stands under.
    """
    if isinstance(content, Mapping):
        return {key: masked_content(value, str(key)) for key, value in content.items()}
    if isinstance(content, list):
        return [masked_content(item, name) for item in content]
    if not isinstance(content, str):
        return content
    return MASK if content and _SECRET_KEY.fullmatch(name) else masked(content)


def is_masked(text: str) -> bool:
    """Whether something of a text was masked."""
    return MASK in text and _MASKED.search(text) is not None


def printable(text: str, *, keep: str = "") -> str:
    """A masked text in which what cannot be seen, or would steer a terminal, stands as its code.

    Parameters
    ----------
    keep : characters to leave alone, such as line breaks.
    """
    text = masked(text)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in keep else _spelt(one) for one in text)


def csv_text(text: str) -> str:
    """A text that spreadsheets take for a text: behind an apostrophe where it would begin a formula."""
    text = printable(text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _spelt(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")
