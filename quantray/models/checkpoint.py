"""Checkpoints: all that a network needs to go on training or to predict, in one small file."""

import io
import pickle
import platform
import sys
import zipfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quantray import __version__
from quantray.arrays import Names, as_day, digest
from quantray.data.splits import DateRange, Split
from quantray.errors import DataError, InputError, first_line
from quantray.models.encoders import LSTMState
from quantray.models.examples import Normaliser
from quantray.models.layers import LayerSettings
from quantray.models.networks import NetworkSettings
from quantray.models.scoring import TimeReading
from quantray.models.structures import GraphSettings, KnownGraph
from quantray.models.training import EpochReport, TrainingSettings, TrainingState
from quantray.storage.files import read_file, write_atomically

__all__ = ["Checkpoint", "ForecastState", "load_checkpoint", "save_checkpoint", "settings_hash"]


@dataclass(frozen=True, eq=False)
class ForecastState:
    """Where a network's forecasts stand after a date: enough to go on with the next one."""

    date: np.datetime64
    assets: Names
    lstm: LSTMState | None
    """Of every asset; none for windows."""
    graph: KnownGraph | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A network in training or ready."""

    network: NetworkSettings
    training: TrainingSettings
    graph: GraphSettings
    feature_names: tuple[str, ...]
    schema: str
    """Of the features."""
    normaliser: Normaliser
    fold: Split
    data_through: np.datetime64
    """Last date whose data was seen, labels included."""
    data: str
    """Hash of the names, membership and labels learned from."""
    progress: TrainingState
    state: ForecastState | None = None
    """After the last date seen, once training is finished."""
    parent: str | None = None
    """Settings hash and date of the fit that the weights came from."""

    @property
    def identity(self) -> str:
        """Short name of this fit, for its children to record."""
        return f"{settings_hash(self.network, self.training, self.graph, self.schema)[:12]}@{self.data_through}"


def settings_hash(network: NetworkSettings, training: TrainingSettings, graph: GraphSettings, schema: str) -> str:
    """Hash of everything that was chosen."""
    return digest([repr(network), repr(training), repr(graph), schema])


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the file appears whole or not at all, and equal checkpoints give equal bytes.

    Raises
    ------
    DataError
        The folder cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(_own(_packed(checkpoint)), buffer)
    write_atomically(path, buffer.getvalue())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU; only tensors and plain values are read, never code.

    Raises
    ------
    DataError
        There is none, or its file is damaged or of another version.
    """
    try:
        content = io.BytesIO(read_file(path))
        # Torch does not check the sums of its files itself.
        with zipfile.ZipFile(content) as parts:
            if broken := parts.testzip():
                raise zipfile.BadZipFile(f"its part {broken} is damaged")
        content.seek(0)
        packed: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
        return _unpacked(packed)
    except FileNotFoundError as error:
        raise DataError(
            f"checkpoint {path} is not there; train first, or give the folder that it was saved to."
        ) from error
    except (
        OSError,
        RuntimeError,
        EOFError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as error:
        raise DataError(f"checkpoint {path} cannot be read: {first_line(error)}; delete it and train again.") from error
    except InputError as error:
        raise DataError(f"checkpoint {path} holds settings that are refused now: {error}") from error


def _packed(checkpoint: Checkpoint) -> dict[str, Any]:
    fold, progress, state = checkpoint.fold, checkpoint.progress, checkpoint.state
    return {
        "network": asdict(checkpoint.network),
        "training": asdict(checkpoint.training),
        "graph": asdict(checkpoint.graph),
        "features": list(checkpoint.feature_names),
        "schema": checkpoint.schema,
        "settings_hash": settings_hash(checkpoint.network, checkpoint.training, checkpoint.graph, checkpoint.schema),
        "normaliser": [torch.from_numpy(np.array(part)) for part in vars(checkpoint.normaliser).values()],
        "fold": {
            **{name: _range(getattr(fold, name)) for name in ("train", "valid", "test")},
            **{name: getattr(fold, name) for name in ("horizon", "lag", "purge")},
        },
        "data_through": str(checkpoint.data_through),
        "data": checkpoint.data,
        "progress": {f.name: getattr(progress, f.name) for f in fields(progress) if f.name != "history"},
        "history": [list(asdict(report).values()) for report in progress.history],
        "state": None if state is None else _packed_state(state),
        "parent": checkpoint.parent,
        "versions": {"quantray": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
    }


def _unpacked(packed: dict[str, Any]) -> Checkpoint:
    training = dict(packed["training"])
    training["reading"] = TimeReading(**training["reading"])
    training["stages"] = tuple(training["stages"])
    fold, network = packed["fold"], dict(packed["network"])
    if isinstance(network["attention"], dict):
        network["attention"] = LayerSettings(**network["attention"])
    return Checkpoint(
        network=NetworkSettings(**network),
        training=TrainingSettings(**training),
        graph=GraphSettings(**packed["graph"]),
        feature_names=tuple(packed["features"]),
        schema=packed["schema"],
        normaliser=Normaliser(*(part.numpy() for part in packed["normaliser"])),
        fold=Split(
            train=DateRange(*fold["train"]),
            valid=None if fold["valid"] is None else DateRange(*fold["valid"]),
            test=DateRange(*fold["test"]),
            horizon=fold["horizon"],
            lag=fold["lag"],
            purge=fold["purge"],
        ),
        data_through=as_day(packed["data_through"]),
        data=packed["data"],
        progress=TrainingState(**packed["progress"], history=[EpochReport(*row) for row in packed["history"]]),
        state=None if packed["state"] is None else _unpacked_state(packed["state"]),
        parent=packed["parent"],
    )


def _packed_state(state: ForecastState) -> dict[str, Any]:
    graph = state.graph
    return {
        "date": str(state.date),
        "assets": state.assets.tolist(),
        "lstm": None if state.lstm is None else [state.lstm.hidden, state.lstm.cell],
        "graph": None
        if graph is None
        else [graph.assets.tolist(), str(graph.quarter), str(graph.window_end), graph.links, graph.clustered],
    }


def _unpacked_state(packed: dict[str, Any]) -> ForecastState:
    graph = packed["graph"]
    return ForecastState(
        as_day(packed["date"]),
        np.array(packed["assets"], dtype=np.str_),
        None if packed["lstm"] is None else LSTMState(*packed["lstm"]),
        None
        if graph is None
        else KnownGraph(
            np.array(graph[0], dtype=np.str_), np.datetime64(graph[1], "M"), as_day(graph[2]), graph[3], graph[4]
        ),
    )


def _range(dates: DateRange | None) -> list[str] | None:
    return None if dates is None else [str(dates.first), str(dates.last)]


def _own(value: Any) -> Any:
    """The value in containers, texts and tensors of its own.

    Pickle writes what it meets twice only once, so two equal values that share other parts would differ in bytes; and
    a view of a larger tensor would save all of it.
    """
    if isinstance(value, Tensor):
        return value.detach().to("cpu").contiguous().clone()
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {_own(key): _own(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_own(part) for part in value)
    return value
