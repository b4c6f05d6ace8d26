"""Which part of many rows a request wants."""

from typing import Annotated

from fastapi import Query

__all__ = ["Limit", "Named", "Offset"]

Offset = Annotated[int, Query(ge=0, le=10_000_000)]
"""Rows before the first one."""
Limit = Annotated[int, Query(ge=1, le=1000)]
"""Rows at most."""
Named = Annotated[str | None, Query(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$")]
"""One value of a column."""
