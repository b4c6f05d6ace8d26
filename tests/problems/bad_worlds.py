"""Worlds of managers that go wrong, each in its own way, and a day of a small firm to put them into."""

import os
import threading
from decimal import Decimal

from quantray.institution.books import InstitutionSettings, synthetic_institution
from quantray.trading.bars import MarketDay, synthetic_day
from quantray.trading.messages import LONGEST
from quantray.trading.world import World, WorldSettings
from quantray.trading.worlds import stepped

__all__ = ["dies", "floods", "hangs", "nonsense", "small_day"]

_AT = 3
"""The bar, of those that a decision is asked for, at which it happens."""


def small_day(pms: int = 2, *, accounts: int = 2, strategies: int = 4, names: int = 4, minutes: int = 15, **more):
    """A firm of ``pms`` managers, each with names of his own, and a day of few bars."""
    market: MarketDay = synthetic_day(pms * names, minutes=minutes, window=40, seed=3)
    firm: InstitutionSettings = synthetic_institution(pms, accounts, strategies, capital=Decimal(100_000_000), seed=1)
    content = firm.model_dump()
    for place, pm in enumerate(content["pms"]):
        content["pms"][pm]["mandate"] = {
            "symbols": market.symbols[place * names : (place + 1) * names],
            "exclusive": True,
        }
        content["pms"][pm].update(more)
    for strategy in content["strategies"].values():
        strategy["every_bars"] = 1
    return InstitutionSettings.model_validate(content), market


def _at(pipe, settings, wrong):
    """A world as it should be until something happens."""
    world, asked = World(WorldSettings.model_validate_json(settings)), 0
    pipe.send_bytes(b"ready")
    while True:
        raw = pipe.recv_bytes(LONGEST)
        if raw[:1] != b"?":
            stepped(world, ("tell", raw[1:]))
            continue
        asked += 1
        if asked == _AT:
            wrong(pipe)
        pipe.send_bytes(stepped(world, ("ask", raw[1:])))


def dies(pipe, settings):
    _at(pipe, settings, lambda _: os._exit(1))


def hangs(pipe, settings):
    _at(pipe, settings, lambda _: threading.Event().wait())


def _shouts(pipe):
    for _ in range(10_000):
        pipe.send_bytes(b"{}" * 1_000)


def floods(pipe, settings):
    _at(pipe, settings, _shouts)


def nonsense(pipe, settings):
    _at(pipe, settings, lambda each: each.send_bytes(b'{"bar": "soon", "wishes": [[[[[[]]]]]]}'))
