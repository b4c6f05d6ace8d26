"""Search for better settings of a network or an allocator with Ray Tune; the winner is measured on dates held out.

Usage: python workflows/tune_models.py workflows/configs/tune.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow

if __name__ == "__main__":
    run_workflow("tuning")
