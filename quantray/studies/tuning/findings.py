"""What is kept of a search: the best settings as a file to run, the table of trials, and the report."""

import json

import pyarrow as pa

from quantray.arrays import digest
from quantray.research.kind import Findings, Work
from quantray.research.tracking import TrackedRun
from quantray.settings import to_yaml
from quantray.studies.tuning.record import TuningRecord, TuningTrial
from quantray.studies.tuning.report import TuningReportInput, tuning_page, verdict
from quantray.studies.tuning.study import TuningSource

__all__ = ["find_tuning"]


def find_tuning(source: TuningSource, record: TuningRecord) -> Findings:
    """``best.yaml``, which is the study's file with the best settings, ``trials.parquet``, and the report."""
    settings, tunable, held = source.settings, source.prepared, record.held_out
    span = "none" if held is None else f"{held.first} to {held.last}"
    page = tuning_page(
        TuningReportInput(
            title=settings.name,
            meta=f"{record.subject} of {tunable.source.settings.name} · {source.data.description} · "
            f"{len(source.panel.assets):,} names · {len(record.trials)} trials with data up to {record.seen_through} · "
            f"held out: {span}",
            confidence=f"{settings.resampling.confidence:.0%}",
            record=record,
        )
    )
    curves = [part for trial in record.trials for part in (trial.key, trial.curve)]
    return Findings(
        digest=digest(curves),
        page=page,
        work=Work(len(record.trials), 0, record.seconds, called="trials"),
        metrics={record.subject: _metrics(record)},
        tables={"trials": _table(record)},
        files={"best.yaml": _best_yaml(source, record)},
        facts={
            "subject": record.subject,
            "study": tunable.source.settings.name,
            "measure": record.measure,
            "n_finished": sum(trial.finished and not trial.note for trial in record.trials),
            "n_failed": sum(bool(trial.note) for trial in record.trials),
            "best": {"key": record.best.key, "objective": record.best.objective, "values": dict(record.best.values)},
            "seen_through": str(record.seen_through),
            "first_held_out": None if held is None else str(held.first),
            "last_held_out": None if held is None else str(held.last),
        },
        notes=(
            f"The best settings are in {source.folder / 'best.yaml'}.",
            "With several trials at a time the sampler learns from whichever ends first, so a search from scratch may "
            "take another course; the numbers of each trial are the same.",
        ),
        trials=tuple(_tracked(source, record, number, trial) for number, trial in enumerate(record.trials, 1)),
    )


def _metrics(record: TuningRecord) -> dict[str, float | None]:
    found: dict[str, float | None] = {"best_objective": record.best.objective, "expected_by_luck": record.expected_best}
    if record.held_out is not None:
        for name in ("winner", "base", "difference"):
            one = getattr(record.held_out, name)
            ends = {f"held_out_{name}_low": one.interval.low, f"held_out_{name}_high": one.interval.high}
            found |= {f"held_out_{name}": one.mean} | ends
    return found


def _tracked(source: TuningSource, record: TuningRecord, number: int, trial: TuningTrial) -> TrackedRun:
    """A trial as one run of the tracker."""
    tags = {
        "quantray.ran": "to the end" if trial.finished else "stopped early",
        "quantray.best": str(trial is record.best).lower(),
    }
    return TrackedRun(
        name=f"{source.settings.name} {number}",
        key=f"{source.identity}-{trial.key}",
        settings=trial.values,
        metrics={} if trial.note else {"objective": trial.curve.tolist()},
        tags=tags | ({"quantray.note": trial.note} if trial.note else {}),
    )


def _best_yaml(source: TuningSource, record: TuningRecord) -> str:
    trial = record.best
    values = ", ".join(f"{name} {value}" for name, value in trial.values.items())
    lines = [
        f"# {record.subject} with the best of {len(record.trials)} trials of {source.settings.name}: {values}.",
        f"# Its {record.measure} of {trial.objective:.4f} was the reason for the choice, so it is flattered.",
        f"# {verdict(record)}",
        f"# Chosen with data up to {record.seen_through}: only results on later dates are out of sample.",
        "# Run it with `quantray run`.",
    ]
    point = source.prepared.subject.space.point(trial.values)
    return "\n".join(lines) + "\n" + to_yaml(source.prepared.best(point))


def _table(record: TuningRecord) -> pa.Table:
    """A row per trial."""
    columns: dict[str, list[object]] = {
        "number": list(range(1, len(record.trials) + 1)),
        "key": [trial.key for trial in record.trials],
        "objective": [None if trial.note else trial.objective for trial in record.trials],
        "rounds": [len(trial.curve) for trial in record.trials],
        "finished": [trial.finished for trial in record.trials],
        "best": [trial is record.best for trial in record.trials],
        "note": [trial.note for trial in record.trials],
        "curve": [trial.curve.tolist() for trial in record.trials],
    }
    for name in record.best.values:
        columns[f"setting {name}"] = _column([trial.values[name] for trial in record.trials])
    return pa.table(columns)


def _column(values: list[object]) -> list[object]:
    """Numbers as they are; where there is anything else, JSON texts."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [float(value) for value in values] if any(isinstance(v, float) for v in values) else values  # type: ignore[arg-type]
    return [value if isinstance(value, str) else json.dumps(value) for value in values]
