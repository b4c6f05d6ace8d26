"""Walk-forward study of allocators: decide in parallel, replay in sequence, write a report.

Usage: python workflows/walk_forward.py workflows/configs/demo.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow

if __name__ == "__main__":
    run_workflow("portfolios")
