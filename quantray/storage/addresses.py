"""Where a store may lie: folders and addresses that the table format can name."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from quantray.errors import InputError, reason

__all__ = ["local_folder", "store_address"]

# Delta Lake turns a folder's path into a URL and back, and takes a backslash for a slash and an encoded letter for the
# letter on the way.
_LOST = re.compile(r"\\|%[0-9A-Fa-f]{2}")
_LONGEST = 200
"""Bytes of a folder's name, which files within it must outlast."""


def local_folder(uri: str) -> Path | None:
    """The folder of a path or of a ``file://`` address; None for an address elsewhere.

    Raises
    ------
    InputError
        A ``file://`` address names a host, or has a query or a fragment.
    """
    if "://" not in uri:
        return Path(uri).absolute()
    parts = urlsplit(uri)
    if parts.scheme != "file":
        return None
    if parts.netloc or parts.query or parts.fragment or "#" in uri or "?" in uri:
        raise InputError(f"{uri} is no folder of this machine; write file:///PATH, with # and ? as %23 and %3F.")
    return Path(unquote(parts.path)).absolute()


def store_address(uri: str | Path) -> str:
    """A folder or an address as text, refused here where its table could be written but not read again.

    Blanks and letters of any language are welcome.

    Parameters
    ----------
    uri : a local folder, which need not exist, or an address with a scheme such as ``s3://bucket/market``.

    Raises
    ------
    InputError
        The text is empty or has characters that nobody can see; or the folder, links followed, has a character that the
        table format loses, or a name that is too long.
    """
    text = str(uri)
    if not text.strip() or not text.isprintable():
        raise InputError(f"{text!r} is no place for a store; name a folder, such as market, or an address.")
    place = local_folder(text)
    if place is None:
        return text
    try:
        folder = os.path.realpath(place)
    except OSError as error:
        raise InputError(f"{text} is no place for a store: {reason(error)}; name another folder.") from error
    if lost := _LOST.search(folder):
        raise InputError(
            f"{folder} cannot hold a store: the table format loses {lost[0]!r} in the name of a folder; name one "
            "without a backslash and without % before two digits."
        )
    names = [name for name in folder.split(os.sep) if len(os.fsencode(name)) > _LONGEST]
    if names:
        size = len(os.fsencode(names[0]))
        raise InputError(f"the folder {names[0][:40]}... has a name of {size} bytes; {_LONGEST} are enough.")
    return text
