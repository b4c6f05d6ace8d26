"""``walk_forward.py`` whose units wait for good once some results are there. Run by test_failures."""

import os
import runpy
import time
from pathlib import Path

from quantray.studies.portfolios import study
from quantray.studies.portfolios.trial import run_trial

WORKFLOW = Path(__file__).parents[2] / "workflows" / "walk_forward.py"


def held_trial(data, due):
    """The unit, unless ``HELD_AT`` are done: whenever a signal comes, there is work left."""
    limit = time.monotonic() + 600
    while len(list(data.results.root.glob("??/*.parquet"))) >= int(os.environ["HELD_AT"]):
        assert time.monotonic() < limit, "no signal came"
        time.sleep(0.02)
    return run_trial(data, due)


if __name__ == "__main__":
    study.run_trial = held_trial
    runpy.run_path(str(WORKFLOW), run_name="__main__")
