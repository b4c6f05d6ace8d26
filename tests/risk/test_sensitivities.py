import numpy as np

from quantray.risk.sensitivities import Sensitivities


def test_a_book_adds_up_what_its_positions_do():
    # A share, and another in a foreign currency, the third driver.
    book = Sensitivities(
        value=np.array([0.6, 0.4]),
        rows=np.array([0, 1, 1]),
        columns=np.array([0, 1, 2]),
        delta=np.array([0.6, 0.4, 0.4]),
        gamma=np.zeros(3),
        n_drivers=3,
    )
    assert book.exposure.tolist() == [0.6, 0.4, 0.4]
    marginal = np.array([1.0, 2.0, 10.0])
    parts = book.by_position(marginal)
    assert np.allclose(parts, [0.6, 4.8])
    assert np.isclose(parts.sum(), book.exposure @ marginal)
