"""A hundred strategies in one portfolio: play all, share capital walking forward, compare with simpler ways.

Usage: python workflows/combine_strategies.py workflows/configs/combine.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow
from quantray.distributed.cluster import connect
from quantray.research.combination_config import CombinationSettings
from quantray.research.combination_runs import combine, load_combination, write_combination
from quantray.tables import print_run


def main(settings: CombinationSettings) -> None:
    """Run the combination and print its portfolios and where its report is."""
    source = load_combination(settings)
    shared = sum(values.nbytes for values in source.data.panel.fields.values())
    with connect(settings.cluster, shared_bytes=shared) as executor:
        record = combine(source, executor)
    print_run(write_combination(source, record))


if __name__ == "__main__":
    run_workflow(main, CombinationSettings)
