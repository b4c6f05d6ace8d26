"""Walk-forward training of forecasters: fit in parallel, evaluate against controls, store forecasts, write a report.

Usage: python workflows/train_models.py workflows/configs/forecasts.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow

if __name__ == "__main__":
    run_workflow("forecasts")
