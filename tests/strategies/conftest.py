"""Panels that several tests of the room share."""

import numpy as np
import pytest

from quantray.data.panel import Panel


@pytest.fixture(scope="session")
def make_panel():
    """A panel of weekdays from (T,) or (T, N) closes, all members; extra fields by name."""

    def make(close, member=None, **fields):
        close = np.asarray(close, dtype=np.float64)
        close = close[:, None] if close.ndim == 1 else close
        n_days, n_assets = close.shape
        dates = np.busday_offset("2020-01-01", np.arange(n_days), roll="forward")
        assets = np.array([f"A{i:03d}" for i in range(n_assets)])
        member = np.ones(close.shape, dtype=bool) if member is None else member
        return Panel(dates, assets, {"close": close, **fields}, member)

    return make
