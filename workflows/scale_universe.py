"""The same forecasters on universes of 400 to 2,000 names: seconds, memory and skill, in one picture.

Usage: python workflows/scale_universe.py workflows/configs/scale.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow
from quantray.distributed.cluster import connect
from quantray.research.forecast_runs import write_scale_run
from quantray.research.scaling import ScaleSettings, run_scale
from quantray.tables import print_scale


def main(settings: ScaleSettings) -> None:
    """Run all sizes and print what they cost and where the report is."""
    with connect(settings.cluster) as executor:
        result = run_scale(settings, executor)
    print_scale(write_scale_run(result))


if __name__ == "__main__":
    run_workflow(main, ScaleSettings)
