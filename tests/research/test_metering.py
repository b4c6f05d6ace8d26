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
    metered.close()
