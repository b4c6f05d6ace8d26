"""``quantray list``: what settings may name, where it comes from, and what it takes."""

from typing import Annotated

import typer

from quantray.terminal import show_table

__all__ = ["list_offers"]


def list_offers(
    what: Annotated[
        str,
        typer.Argument(help="allocators, estimators, forecasters, strategies, features, formats, costs or universes."),
    ],
) -> None:
    """List what settings may name: quantray's, and what installed packages register."""
    from quantray.studies.offered import offers  # noqa: PLC0415

    rows = [(each.name, each.origin, each.parameters, each.about) for each in offers(what)]
    show_table(("name", "from", "parameters", "what it is"), rows, title=what, right=())
