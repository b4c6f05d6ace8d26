from quantray.research.executor import Serial
from quantray.research.metering import Metered, peak_bytes


def doubled(shared, item):
    return shared * item


def test_results_and_peaks():
    metered = Metered(Serial())
    assert list(metered.map(doubled, [1, 2, 3], shared=metered.put(10))) == [10, 20, 30]
    (peak,) = metered.peaks.values()
    assert 2**20 < peak <= peak_bytes()
    # This process is the driver, and no worker of its own.
    assert metered.workers == {}


def test_what_is_measured_is_closed_with_its_measure():
    closed = []

    class Closes(Serial):
        def close(self):
            closed.append(self)

    Metered(Closes()).close()
    assert len(closed) == 1
