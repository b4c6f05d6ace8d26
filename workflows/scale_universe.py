"""The same forecasters on universes of 400 to 2,000 names: seconds, memory and skill, in one picture.

Usage: python workflows/scale_universe.py workflows/configs/scale.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow

if __name__ == "__main__":
    run_workflow("scale")
