"""Sweep of strategies by regime: search parameters on the past, test out of sample, say whether regimes helped.

Usage: python workflows/regime_sweep.py workflows/configs/regime_sweep.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow

if __name__ == "__main__":
    run_workflow("sweep")
