import numpy as np

from quantray.research.executor import Serial
from quantray.research.metering import Clock, Meter, Metered, Spent, forget_peak, peak_bytes


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


def test_a_meter_adds_up_parts_and_counts_nothing_twice():
    meter = Meter()
    here = Clock().spent().place
    meter.add("fits", 2, Spent(here, 3.0, 2.0, 100))
    meter.add("fits", 1, Spent("far:1", 1.0, 0.5, 700))
    meter.add("replays", 1, Spent("far:2", 4.0, 4.0, 300))
    took = meter.took(10, 5)
    fits = took.parts["fits"]
    assert (fits.units, fits.seconds, fits.cpu_seconds, fits.peak_bytes) == (3, 4.0, 2.5, 700)
    assert (took.workers, took.worker_peak_bytes, took.disk_bytes) == (2, 700, 15)
    # What ran here is this process's own, of which no more can be left than nothing.
    assert took.driver_cpu_seconds == 0.0
    assert took.cpu_seconds == 6.5


def test_a_clock_counts_the_time_of_its_process():
    clock = Clock()
    np.linalg.svd(np.random.default_rng(0).standard_normal((200, 200)))
    spent = clock.spent()
    assert spent.cpu_seconds > 0
    assert spent.seconds > 0
    assert spent.peak_bytes == peak_bytes()


def test_a_peak_begins_anew_with_what_is_held():
    held = np.ones(2**24)
    high = peak_bytes()
    del held
    forget_peak()
    # Where the system knows no such thing, the peak stays.
    assert peak_bytes() <= high
