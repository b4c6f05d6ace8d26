"""Settings of the service."""

from ipaddress import ip_address

from pydantic import Field, model_validator

from quantray.settings import SettingsModel

__all__ = ["OrdersSettings", "ServiceSettings"]


class OrdersSettings(SettingsModel):
    """The order management of a firm, which portfolio managers, risk officers and operations reach by the service."""

    database: str = "sqlite:///orders.db"
    """That the gate writes; it is only read here."""
    door: str = "orders.door"
    """Of the gate, by which everything is changed."""
    door_seconds: float = Field(10.0, gt=0, le=600)
    """That the gate may take to answer."""


class ServiceSettings(SettingsModel):
    """What is served, to whom, and within which bounds."""

    books: str = "books"
    """Folder or address of the published books."""
    keys: str = "keys"
    """Folder of the API keys; see ``quantray keys``."""
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    open: bool = False
    """Whether everybody may read without a key; on this machine only."""
    poll_seconds: float = Field(1.0, gt=0, le=600)
    """Between looks for a new book."""
    stale_after_hours: float = Field(96.0, gt=0)
    """Age of the latest book, from the end of its day, at which the service is not ready; four days outlast a long
    weekend."""
    requests_per_minute: int = Field(6000, ge=1)
    """Of one key, to one replica."""
    failures_per_minute: int = Field(30, ge=1)
    """Requests of one address without a valid key, after which it has to wait."""
    largest_body: int = Field(4_000_000, ge=1000, le=100_000_000)
    """Bytes of a request."""
    what_if_seconds: float = Field(20.0, gt=0, le=600)
    """Time that a what-if may take."""
    what_ifs: int = Field(1, ge=1, le=64)
    """What-ifs that are computed at a time; as many again may wait."""
    largest_what_if: int = Field(5000, ge=1, le=1_000_000)
    """Names in a what-if."""
    largest_schedule: int = Field(100_000, ge=1, le=10_000_000)
    """Slices in the schedule of a what-if: names, days and slices of a day multiplied."""

    orders: OrdersSettings | None = None
    """Routes of portfolio managers, risk officers and operations are there where this is given."""

    @model_validator(mode="after")
    def _closed(self) -> "ServiceSettings":
        if self.open and not _is_loopback(self.host):
            raise ValueError(f"open: true on {self.host} would let everybody in; bind to 127.0.0.1 or ask for keys")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
