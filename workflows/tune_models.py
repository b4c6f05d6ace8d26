"""Search for better settings of a network or an allocator with Ray Tune; the winner is measured on dates held out.

Usage: python workflows/tune_models.py workflows/configs/tune.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow
from quantray.distributed.cluster import connect
from quantray.distributed.tuning import tune_settings
from quantray.research.tuning_config import TuningSettings
from quantray.research.tuning_runs import write_tuning
from quantray.research.tuning_study import load_tuning
from quantray.tables import print_tuning


def main(settings: TuningSettings) -> None:
    """Search, and print what was found and where it is; the same command continues a search that was cut off."""
    source = load_tuning(settings)
    # Once for the trials, and once for the winner, with the dates held out.
    shared = 2 * sum(values.nbytes for values in source.base.data.panel.fields.values())
    with connect(settings.cluster, shared_bytes=shared) as executor:
        record = tune_settings(source, executor)
    print_tuning(write_tuning(source, record))


if __name__ == "__main__":
    run_workflow(main, TuningSettings)
