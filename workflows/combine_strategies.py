"""A hundred strategies in one portfolio: play all, share capital walking forward, compare with simpler ways.

Usage: python workflows/combine_strategies.py workflows/configs/combine.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow

if __name__ == "__main__":
    run_workflow("combination")
