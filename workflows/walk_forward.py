"""Walk-forward study of allocators: decide in parallel, replay in sequence, write a report.

Usage: python workflows/walk_forward.py workflows/configs/demo.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow
from quantray.distributed.cluster import connect
from quantray.research.config import StudySettings
from quantray.research.runs import write_run
from quantray.research.study import load_data, run_study
from quantray.tables import print_run


def main(settings: StudySettings) -> None:
    """Run the study and print where its report is."""
    source = load_data(settings)
    with connect(settings.cluster, shared_bytes=source.panel.field("close").nbytes) as executor:
        result = run_study(source, executor)
    print_run(write_run(source, result))


if __name__ == "__main__":
    run_workflow(main, StudySettings)
