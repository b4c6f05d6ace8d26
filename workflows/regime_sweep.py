"""Sweep of strategies by regime: search parameters on the past, test out of sample, say whether regimes helped.

Usage: python workflows/regime_sweep.py workflows/configs/regime_sweep.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow
from quantray.distributed.cluster import connect
from quantray.research.sweep_config import SweepSettings
from quantray.research.sweep_runs import load_sweep, sweep, write_sweep
from quantray.tables import print_sweep


def main(settings: SweepSettings) -> None:
    """Run the sweep and print what it found and where its report is."""
    source = load_sweep(settings)
    shared = sum(values.nbytes for values in source.data.panel.fields.values())
    with connect(settings.cluster, shared_bytes=shared) as executor:
        record = sweep(source, executor)
    print_sweep(write_sweep(source, record))


if __name__ == "__main__":
    run_workflow(main, SweepSettings)
