"""Which market are we in, and how far is that to be believed: every method on data of one's own, each day by its past.

Usage: python workflows/regimes.py workflows/configs/regimes.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow

if __name__ == "__main__":
    run_workflow("regimes")
