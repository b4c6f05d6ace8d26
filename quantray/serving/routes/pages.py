"""Which part of many rows a request wants, and which one of them."""

from typing import Annotated

from fastapi import Path, Query

__all__ = ["Id", "Limit", "Named", "Offset"]

Offset = Annotated[int, Query(ge=0, le=10_000_000)]
"""Rows before the first one."""
Limit = Annotated[int, Query(ge=1, le=1000)]
"""Rows at most."""
Named = Annotated[str | None, Query(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$")]
"""One value of a column."""
Id = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$")]
"""Of an order or a block, in the path."""
