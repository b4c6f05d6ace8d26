"""NautilusTrader's own round trip in its backtest: from submitting an order to hearing that its venue has accepted it.

Run by an interpreter that has nautilus_trader (LGPL, hence never installed beside quantray). Strategy, risk engine and
simulated venue are one process without network, and nothing is kept on disk: what a crash leaves of it is nothing.

Usage: PYTHON benchmarks/_nautilus.py ORDERS
"""

import json
import sys
import time
from decimal import Decimal

import nautilus_trader
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import Venue
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy


class Trips(Strategy):  # type: ignore[misc]
    """Submits an order far from the market at each quote, and notes when it is accepted."""

    def __init__(self, instrument: object) -> None:
        super().__init__()
        self.instrument, self.begun, self.took = instrument, {}, []

    def on_start(self) -> None:
        self.subscribe_quote_ticks(self.instrument.id)

    def on_quote_tick(self, _quote: QuoteTick) -> None:
        order = self.order_factory.limit(
            self.instrument.id, OrderSide.BUY, Quantity.from_int(1), Price.from_str("1.00")
        )
        self.begun[order.client_order_id] = time.perf_counter()
        self.submit_order(order)

    def on_order_accepted(self, event: object) -> None:
        self.took.append(1e3 * (time.perf_counter() - self.begun[event.client_order_id]))
        # Its venue looks through all open orders at each quote.
        self.cancel_order(self.cache.order(event.client_order_id))


def main() -> None:
    count = int(sys.argv[1])
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        Venue("XNAS"),
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(10**9, USD)],
        base_currency=USD,
        default_leverage=Decimal(1),
    )
    instrument = TestInstrumentProvider.equity("AAPL", "XNAS")
    engine.add_instrument(instrument)
    bid, ask, size = Price.from_str("99.99"), Price.from_str("100.01"), Quantity.from_int(1_000)
    # A second apart: its risk engine lets 100 orders a second through.
    engine.add_data(
        [QuoteTick(instrument.id, bid, ask, size, size, ts, ts) for ts in range(10**9, (count + 1) * 10**9, 10**9)]
    )
    trips = Trips(instrument)
    engine.add_strategy(trips)
    begun = time.perf_counter()
    engine.run()
    print(
        json.dumps({"version": nautilus_trader.__version__, "seconds": time.perf_counter() - begun, "ms": trips.took})
    )


if __name__ == "__main__":
    main()
