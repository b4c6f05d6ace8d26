import numpy as np

from quantray.oms.paper.draws import drawn


def test_a_draw_is_its_identity():
    assert drawn(7, "chance", "o1", 3) == drawn(7, "chance", "o1", 3)
    assert len({drawn(7, "a", 1), drawn(8, "a", 1), drawn(7, "b", 1), drawn(7, "a", 2), drawn(7, "a")}) == 5


def test_draws_are_even():
    values = np.array([drawn(1, f"o{k}") for k in range(2000)])
    assert ((values >= 0) & (values < 1)).all()
    assert abs(values.mean() - 0.5) < 0.03
    assert np.histogram(values, bins=10, range=(0, 1))[0].min() > 150
