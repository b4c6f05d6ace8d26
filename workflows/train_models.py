"""Walk-forward training of forecasters: fit in parallel, judge against controls, store forecasts, write a report.

Usage: python workflows/train_models.py workflows/configs/forecasts.yaml [--set a.b=value ...]
"""

from quantray.cli import run_workflow
from quantray.distributed.cluster import connect
from quantray.research.forecast_config import ForecastSettings
from quantray.research.forecast_runs import write_forecast_run
from quantray.research.forecast_study import load_forecast_data, run_forecast_study
from quantray.tables import print_forecasts


def main(settings: ForecastSettings) -> None:
    """Run the study and print what it found and where."""
    source = load_forecast_data(settings)
    shared_bytes = sum(field.nbytes for field in source.data.panel.fields.values())
    with connect(settings.cluster, shared_bytes=shared_bytes) as executor:
        study = run_forecast_study(source, executor)
    print_forecasts(write_forecast_run(source, study).folder)


if __name__ == "__main__":
    run_workflow(main, ForecastSettings)
