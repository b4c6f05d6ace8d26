import numpy as np
from numpy.testing import assert_array_equal

from quantray.data.panel import Panel
from quantray.studies.tuning.trial import blinded

NAN = np.nan


def test_a_blinded_panel_tells_nothing_of_what_is_held_out():
    close = np.arange(1.0, 11.0).reshape(5, 2)
    delist = np.array([[NAN, -0.1], [NAN, NAN], [-0.2, NAN], [NAN, -0.3], [NAN, NAN]])
    dates = np.datetime64("2024-01-01") + np.arange(5)
    fields = {"close": close, "delist_return": delist}
    panel = Panel(dates, np.array(["A", "B"]), fields, np.ones((5, 2), dtype=bool), periods_per_year=365)
    blind = blinded(panel, dates[3])
    assert_array_equal(blind.field("close"), np.vstack([close[:3], np.full((2, 2), NAN)]))
    # On the day before, a last close may already have beside it what holders received later.
    assert_array_equal(blind.field("delist_return"), np.vstack([delist[:2], np.full((3, 2), NAN)]))
    assert blind.member[:3].all()
    assert not blind.member[3:].any()
    assert blind.periods_per_year == 365
    assert_array_equal(panel.field("close"), close)
