import numpy as np

from quantray.analytics.bootstrap import Resampling
from quantray.studies.institutional.execution import Replay
from quantray.studies.institutional.record import ALL, NOTHING, PHASES, VARIANTS, gains_of

DATES = np.datetime64("2020-01-01") + np.arange(1000)


def replay(net):
    nothing = np.zeros(len(net))
    return Replay(DATES, net, nothing, nothing, nothing, nothing, nothing)


def test_each_phase_is_left_out_once():
    assert len(VARIANTS) == 7
    assert [set(PHASES) - set(variant.on) for variant in VARIANTS[1:-1]] == [{phase} for phase in PHASES]
    # Regimes count through parameters alone.
    assert VARIANTS[2].book == (False, False, True)
    assert ALL.book == (True, True, True)
    assert NOTHING.book == (False, False, False)


def test_a_gain_is_found_where_it_is():
    noise = np.random.default_rng(0).normal(0, 0.01, 1000)
    series = {variant.name: noise for variant in VARIANTS}
    series[ALL.name] = noise + 0.001
    series["Without risk"] = noise + 0.003
    series[NOTHING.name] = np.zeros(1000)
    gains = {gain.variant: gain for gain in gains_of(
        {(name, 1e9): replay(net) for name, net in series.items()}, [1e9], resampling=Resampling(n_samples=200)
    )}  # fmt: skip
    assert gains[ALL.name].gain is None
    assert gains["Without weights"].gain.interval.low > 0
    assert gains["Without risk"].gain.interval.high < 0
    assert gains[NOTHING.name].sharpe is None
