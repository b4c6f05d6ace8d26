"""Worlds of managers that go wrong, each in its own way, and a day of a small firm to put them into."""

import os
import threading
import time
from decimal import Decimal

from quantray.institution.books import InstitutionSettings, synthetic_institution
from quantray.trading.bars import MarketDay, synthetic_day
from quantray.trading.messages import LONGEST, Decided, Wish, as_bytes, read_news
from quantray.trading.world import World, WorldSettings
from quantray.trading.worlds import Answer, stepped

__all__ = ["AT", "Says", "decided", "dies", "falls_behind", "floods", "hangs", "nonsense", "small_day"]

AT = 3
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
        if asked == AT:
            # In place of an answer: with one beside it, it would depend on the machine which is heard.
            wrong(pipe)
            continue
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


def _raves(pipe):
    pipe.send_bytes(b'{"bar": "soon", "wishes": [[[[[[]]]]]]}')
    # Nothing after it, which would be out of turn.
    threading.Event().wait()


def nonsense(pipe, settings):
    _at(pipe, settings, _raves)


def falls_behind(pipe, settings):
    """It answers only when it is told of the next bar."""
    _at(pipe, settings, lambda each: each.poll(None))


class Says:
    """Worlds that say what a function says of a manager and the bars that he is asked about."""

    def __init__(self, say):
        self._say, self.ended, self.asked = say, {}, []

    def tell(self, news):
        pass

    def ask(self, news, *, seconds):
        for pm, raw in news.items():
            self.asked.append((pm, read_news(raw).bar))
            yield Answer(pm, self._say(pm, read_news(raw)))

    def stop(self, pm, why):
        self.ended[pm] = why

    def memory(self):
        return {}


def decided(bar, *wishes, at=None, **more):
    return as_bytes(
        Decided(
            bar=bar,
            at=time.monotonic_ns() if at is None else at,
            wishes=tuple(Wish(symbol=symbol, side=side, demands=demands) for symbol, side, demands in wishes),
            earned=more.get("earned", {}),
            failed={},
        )
    )
