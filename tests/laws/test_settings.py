"""Every setting of every kind does something: another value is another unit of work, or another digest.

What changes no number stands on a list, and there the numbers are shown to be equal.
"""

from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from quantray.errors import QuantrayError
from quantray.research.executor import Serial
from quantray.settings import flattened
from quantray.studies.kinds import find_kind

pytestmark = pytest.mark.slow

EVERYWHERE = {"name", "runs", "cluster.kind", "cluster.cpus", "cluster.gpus_per_task", "cluster.object_store_mb"}
EVERYWHERE |= {"cluster.auth", "cluster.address", "tracking.mlflow", "tracking.uri", "tracking.experiment"}
"""Where a study runs, and what is told of it."""
INTERVALS = {"resampling.samples", "resampling.confidence", "resampling.seed"}
"""How sure numbers are said to be; in no digest, for it changes no stream and no forecast."""
IDLE: dict[str, set[str]] = {
    "portfolios": EVERYWHERE
    | INTERVALS
    | {
        # Which of them the others are held against, and how the report colours them.
        "benchmark", "data.sectors", "data.only_with_sector",
        # Of labels, and of borders that a fold without labels does not have.
        "folds.horizon", "folds.purge", "folds.embargo",
    },
    "forecasts": EVERYWHERE | INTERVALS | {"forecasts"},
    "sweep": EVERYWHERE | INTERVALS | {"blocks", "sets_per_unit"},
    "combination": EVERYWHERE | INTERVALS | {"sets_per_unit"},
}  # fmt: skip
"""Kind -> settings that change no number."""
MEANS: dict[str, dict[str, Any]] = {}
"""``kind setting`` -> what to change for another value of it, where it needs company."""
ELSEWHERE: dict[str, str] = {}
"""``kind setting`` -> why no other value can be tried here."""


def leaves(model: BaseModel, path: str = "") -> dict[str, tuple[Any, Any]]:
    """Dotted name -> annotation and value, of all settings; of things in a list, those of the first."""
    found = {}
    for name, info in type(model).model_fields.items():
        value, here = getattr(model, name), f"{path}{name}"
        first = value[0] if isinstance(value, tuple) and value and isinstance(value[0], BaseModel) else value
        if isinstance(first, BaseModel):
            found |= leaves(first, f"{here}." if first is value else f"{here}.0.")
        else:
            found[here] = (info.annotation, value)
    return found


def others(annotation: Any, value: Any) -> list[Any]:
    """Values to try instead, the mildest first."""
    parts = [annotation, *get_args(annotation)]
    literals = [v for part in parts if str(get_origin(part)).endswith("Literal") for v in get_args(part)]
    literals = literals or ([*get_args(annotation)] if str(get_origin(annotation)).endswith("Literal") else [])
    if literals:
        return [v for v in literals if v != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1, value * 2, value // 2, value + 30]
    if isinstance(value, float):
        return [value * 1.5, value / 2, value + 0.25, value - 0.1, 0.5, 1.0]
    if isinstance(value, str):
        return [f"{value}x"]
    if isinstance(value, tuple):
        return [value[:-1], value + value[:1]] if value else [()]
    return [1, 2, 3, 0.5, "2024-12-20", "2023-05-15", "x", True]


def nested(changes: dict[str, Any]) -> list[str]:
    return [f"{name}={value!r}" for name, value in changes.items()]


def changed(content: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of settings with values by dotted names."""
    import copy

    content = copy.deepcopy(content)
    for name, value in changes.items():
        node: Any = content
        *path, last = name.split(".")
        for key in path:
            node = node[int(key)] if key.isdigit() else node.setdefault(key, {})
        node[last] = value
    return content


def outcome(settings):
    """What a study computes anew, and the digest of its numbers."""
    kind = find_kind(settings.kind)
    result = kind.run(kind.load(settings), Serial(threads=settings.threads))
    return result.n_computed, result.digest


@pytest.fixture(scope="module")
def bases(studies, tmp_path_factory):
    """Kind -> its small study, resolved, and the digest of what it found."""
    found = {}
    for kind in IDLE:
        settings = studies.settings(kind, tmp_path_factory.mktemp(kind))
        found[kind] = (settings, outcome(settings)[1])
    return found


def names_of(kind, studies=None):
    return []


@pytest.mark.parametrize("kind", IDLE)
def test_every_setting_changes_a_key_or_a_number_or_is_declared_idle(kind, bases):
    base, digest = bases[kind]
    content, wrong = base.model_dump(mode="json"), []
    tried = leaves(base)
    assert set(IDLE[kind]) <= set(tried), set(IDLE[kind]) - set(tried)
    for name, (annotation, value) in tried.items():
        if f"{kind} {name}" in ELSEWHERE or name == "kind" or (name.endswith(".kind") and name.startswith("data")):
            continue
        for changes in (
            [MEANS[f"{kind} {name}"]] if f"{kind} {name}" in MEANS else ({name: v} for v in others(annotation, value))
        ):
            try:
                settings = type(base).model_validate(changed(content, changes))
                if flattened(settings.model_dump(mode="json")) == flattened(content):
                    continue
                computed, found = outcome(settings)
            except (ValidationError, QuantrayError):
                continue
            same = computed == 0 and found == digest
            if same != (name in IDLE[kind]):
                wrong.append(
                    f"{name} -> {changes[name] if name in changes else changes}: {computed} computed, {'equal' if found == digest else 'other'} digest"
                )
            break
        else:
            wrong.append(f"{name}: no other value could be tried")
    assert wrong == []
