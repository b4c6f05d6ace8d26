"""How much money an allocator can manage before what its trades move prices by takes what it earns.

Usage: python workflows/execution_study.py workflows/configs/capacity.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow

if __name__ == "__main__":
    run_workflow("capacity")
