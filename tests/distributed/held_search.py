"""``tune_models.py`` whose trials wait for good after their third round. Run by test_tuning."""

import itertools
import runpy
import time
from pathlib import Path

from ray import tune

from quantray.distributed import tuning

WORKFLOW = Path(__file__).parents[2] / "workflows" / "tune_models.py"
WHOLE = tuning._trial


def _trial(config, stored):
    """The trial up to its third report: whenever the driver is killed, trials are under way and others to come."""
    told, number = tune.report, itertools.count(1)

    def report(*figures, **checkpoint):
        told(*figures, **checkpoint)
        if next(number) == 3:
            time.sleep(600)
            raise AssertionError("the driver was not killed")

    tune.report = report
    WHOLE(config, stored)


if __name__ == "__main__":
    tuning._trial = _trial
    runpy.run_path(str(WORKFLOW), run_name="__main__")
