"""What five phases of optimisation are worth, walking forward: regimes, parameters, weights, risk overlay, execution.

Usage: python workflows/institutional.py workflows/configs/institutional.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow

if __name__ == "__main__":
    run_workflow("institutional")
