"""The tables of the order management: what is, and the log of how it came to be.

Shares and money are whole numbers (``messages.MONEY``); times are UTC texts of ISO 8601. ``child_orders`` holds every
order that was ever submitted, also those refused; ``reservations`` is a view of what those that are open set aside.
Rows of ``audit`` are never changed, nor are those of blocks, of their demands and allocations: triggers refuse it.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

__all__ = [
    "accounts",
    "allocations",
    "approvals",
    "audit",
    "blocks",
    "child_orders",
    "cursors",
    "demands",
    "documents",
    "executions",
    "gate",
    "instruments",
    "limits",
    "metadata",
    "outbox",
    "parents",
    "positions",
    "reservations",
    "restrictions",
    "sessions",
    "switches",
]

metadata = MetaData()

# In SQLite an INTEGER that is the key is the row's own number, and needs no index.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")

_IS_PART = text("parent IS NOT NULL")

gate = Table(
    "gate",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    # Grows with every gate that opens; a gate whose number is not the newest writes nothing more.
    Column("epoch", BigInteger, nullable=False),
    Column("holder", String(200), nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("pm", String(64), nullable=False),
    Column("cash", BigInteger, nullable=False),
    Column("may_short", Boolean, nullable=False),
)

instruments = Table(
    "instruments",
    metadata,
    Column("symbol", String(32), primary_key=True),
    Column("tick", BigInteger, nullable=False),
    Column("lot", BigInteger, nullable=False),
    # The price that exposures and collars are reckoned with; 0 where there is none yet.
    Column("mark", BigInteger, nullable=False),
)

parents = Table(
    "parents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("account", String(64), ForeignKey("accounts.id"), nullable=False),
    Column("symbol", String(32), ForeignKey("instruments.symbol"), nullable=False),
    Column("side", String(10), nullable=False),
    Column("quantity", BigInteger, nullable=False),
    # The execution schedule as ``execution.orders`` writes it.
    Column("schedule", Text, nullable=False),
)

child_orders = Table(
    "child_orders",
    metadata,
    Column("id", String(64), primary_key=True),
    # Of a refused order nothing needs to exist: hence no foreign keys.
    Column("account", String(64), nullable=False),
    Column("pm", String(64), nullable=False),
    Column("symbol", String(32), nullable=False),
    Column("side", String(10), nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("limit", BigInteger),
    Column("tif", String(3), nullable=False),
    Column("venue", String(32), nullable=False),
    Column("parent", String(64)),
    Column("replaces", String(64)),
    Column("state", String(16), nullable=False),
    Column("code", String(32), nullable=False),
    Column("route", String(8)),
    Column("filled", BigInteger, nullable=False),
    # Money a share that is set aside.
    Column("price", BigInteger, nullable=False),
    Column("heard", Boolean, nullable=False),
    Column("canceling", Boolean, nullable=False),
    Index("child_orders_state", "state"),
    # Of the orders that are parts.
    Index("child_orders_parent", "parent", sqlite_where=_IS_PART, postgresql_where=_IS_PART),
)

reservations = Table(
    "reservations",
    # A view, which nobody writes.
    MetaData(),
    Column("order", String(64), primary_key=True),
    Column("account", String(64), nullable=False),
    Column("symbol", String(32), nullable=False),
    Column("cash", BigInteger, nullable=False),
    # Positive to be bought, negative to be sold.
    Column("shares", BigInteger, nullable=False),
)

executions = Table(
    "executions",
    metadata,
    Column("venue", String(32), primary_key=True),
    Column("exec_id", String(64), primary_key=True),
    Column("order", String(64), ForeignKey("child_orders.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("refers", String(64), nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("fee", BigInteger, nullable=False),
    Column("time", String(40), nullable=False),
    # Of the row of the log that booked it: amendments count in this order.
    Column("seq", BigInteger, nullable=False),
    Index("executions_order", "order"),
)

positions = Table(
    "positions",
    metadata,
    Column("account", String(64), ForeignKey("accounts.id"), primary_key=True),
    Column("symbol", String(32), ForeignKey("instruments.symbol"), primary_key=True),
    Column("shares", BigInteger, nullable=False),
)

limits = Table(
    "limits",
    metadata,
    Column("scope", String(16), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

switches = Table(
    "switches",
    metadata,
    Column("scope", String(16), primary_key=True),
    Column("key", String(64), primary_key=True),
)
"""Kill switches that are on."""

restrictions = Table(
    "restrictions",
    metadata,
    # Empty for the whole firm.
    Column("account", String(64), primary_key=True),
    Column("symbol", String(32), primary_key=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("opens", String(40), nullable=False),
    Column("closes", String(40), nullable=False),
)

documents = Table(
    "documents",
    metadata,
    # What it is about: facts of a symbol, the factors, a rule of compliance or an override of one.
    Column("kind", String(16), primary_key=True),
    Column("name", String(200), primary_key=True),
    # Canonical JSON.
    Column("body", Text, nullable=False),
)

approvals = Table(
    "approvals",
    metadata,
    Column("id", String(64), primary_key=True),
    # Of the limit.
    Column("scope", String(16), nullable=False),
    Column("key", String(128), nullable=False),
    Column("name", String(32), nullable=False),
    Column("value", BigInteger, nullable=False),
    # What it was when the change was proposed.
    Column("before", BigInteger),
    Column("reason", String(200), nullable=False),
    Column("proposer", String(80), nullable=False),
    Column("expires", String(40), nullable=False),
    Column("state", String(8), nullable=False),
    Column("decider", String(80), nullable=False),
)
"""Changes of limits, which two people make."""

outbox = Table(
    "outbox",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("order", String(64), ForeignKey("child_orders.id"), nullable=False),
    Column("action", String(8), nullable=False),
    Column("done", Boolean, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    Column("route", String(8), primary_key=True),
    # The last of the venue's numbered reports that is booked.
    Column("sequence", BigInteger, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    # Canonical JSON of [seq, time, actor, pm, type, entity, body].
    Column("line", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

blocks = Table(
    "blocks",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("pm", String(64), nullable=False),
    # The one that trades it.
    Column("account", String(64), ForeignKey("accounts.id"), nullable=False),
    Column("symbol", String(32), ForeignKey("instruments.symbol"), nullable=False),
    Column("side", String(10), nullable=False),
    Column("limit", BigInteger),
    # Money a share that each purchase put in.
    Column("price", BigInteger, nullable=False),
    Column("lot", BigInteger, nullable=False),
    Column("method", String(16), nullable=False),
    # Of the draw among equals.
    Column("key", String(64), nullable=False),
)

demands = Table(
    "demands",
    metadata,
    Column("block", String(64), ForeignKey("blocks.id"), primary_key=True),
    Column("account", String(64), ForeignKey("accounts.id"), primary_key=True),
    Column("shares", BigInteger, nullable=False),
    # Those that may be traded, and why not all.
    Column("kept", BigInteger, nullable=False),
    # Of the rule: capital, rank or weight.
    Column("number", BigInteger, nullable=False),
    Column("reason", String(64), nullable=False),
)

allocations = Table(
    "allocations",
    metadata,
    Column("block", String(64), ForeignKey("blocks.id"), primary_key=True),
    # Counts how often it was allocated; the last one is what accounts have.
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("account", String(64), ForeignKey("accounts.id"), primary_key=True),
    Column("shares", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("fee", BigInteger, nullable=False),
)
