"""What operations say that is no number: kept as documents of canonical JSON, each change a row of the log."""

import json
from collections.abc import Mapping
from typing import Any

from quantray.errors import InputError
from quantray.oms import schema
from quantray.oms.books import Books
from quantray.oms.changes import Actor

__all__ = ["keep"]

_MOST = 1 << 24
"""Letters of a document."""


def keep(books: Books, actor: Actor, kind: str, name: str, body: Mapping[str, Any] | None) -> None:
    """Keep a document, or drop it where it is None, and log it; raises ``InputError`` for one that is too large."""
    key = {"kind": kind, "name": name}
    if body is None:
        books.changes.rows.drop(schema.documents, kind, name)
    else:
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        if len(text) > _MOST:
            raise InputError(f"{kind} {name}: {len(text):,} letters are more than {_MOST:,}; keep fewer names.")
        books.changes.rows.put(schema.documents, {**key, "body": text})
    books.changes.log(books.now(), actor, "document", f"{kind}:{name}", {**key, "body": body})
