import copy
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from quantray.data.splits import DateRange, Split
from quantray.errors import DataError
from quantray.models.checkpoint import (
    Checkpoint,
    ForecastState,
    load_checkpoint,
    save_checkpoint,
    settings_hash,
)
from quantray.models.encoders import LSTMState
from quantray.models.examples import Normaliser
from quantray.models.networks import Network, NetworkSettings
from quantray.models.scoring import TimeReading
from quantray.models.structures import GraphSettings, KnownGraph
from quantray.models.training import EpochReport, TrainingSettings, TrainingState

DAY = np.datetime64("2021-06-30")


def checkpoint_of(n_assets=30, width=8, inputs=5, stages=("encoder", "joint")):
    """As a training in its second stage would leave it."""
    torch.manual_seed(0)
    shape = NetworkSettings(inputs=inputs, width=width, layers=2, heads=2)
    network = Network(shape)
    weights = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    optimiser = torch.optim.AdamW(network.parameters())
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    assets = np.array([f"S{i:04d}" for i in range(n_assets)])
    links = torch.arange(n_assets, dtype=torch.int32)[:, None].expand(-1, 10)
    progress = TrainingState(
        stage=1,
        epoch=1,
        best_ic=0.03,
        best=weights,
        weights=weights,
        optimiser=optimiser.state_dict(),
        moves=7,
        history=[EpochReport(stages[0], 1, 0.99, 0.02, 0.02), EpochReport(stages[1], 1, 0.98, float("nan"), 0.03)],
        finished=True,
    )
    lstm = LSTMState(torch.randn(2, n_assets, width), torch.randn(2, n_assets, width))
    return Checkpoint(
        network=shape,
        training=TrainingSettings(stages=stages, reading=TimeReading(steps=10)),
        graph=GraphSettings(k=10),
        feature_names=tuple(f"feature {i}" for i in range(inputs - 1)),
        schema="abc",
        normaliser=Normaliser(np.arange(inputs - 1.0), np.ones(inputs - 1)),
        fold=Split(
            train=DateRange("2019-01-02", "2020-12-31"),
            valid=DateRange("2021-01-08", "2021-06-25"),
            test=DateRange("2021-07-02", "2021-12-31"),
            horizon=1,
            lag=1,
            purge=2,
        ),
        data_through=DAY,
        data="def",
        progress=progress,
        state=ForecastState(DAY, assets, lstm, KnownGraph(assets, np.datetime64("2021-04"), DAY, links, False)),
        parent="0123@2018-01-02",
    )


def assert_same(ours, theirs):
    """Field by field, down to tensors and arrays."""
    if isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs)
        assert ours.dtype == theirs.dtype
    elif isinstance(ours, np.ndarray):
        assert_array_equal(ours, theirs)
        assert ours.dtype.kind == theirs.dtype.kind
    elif isinstance(ours, dict):
        assert list(ours) == list(theirs)
        for key, value in ours.items():
            assert_same(value, theirs[key])
    elif isinstance(ours, list | tuple):
        assert type(ours) is type(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif hasattr(ours, "__dataclass_fields__"):
        assert type(ours) is type(theirs)
        assert_same(vars(ours), vars(theirs))
    elif isinstance(ours, float):
        assert ours == theirs or (ours != ours and theirs != theirs)
    else:
        assert ours == theirs
        assert type(ours) is type(theirs)


@pytest.mark.parametrize("case", ["whole", "without validation", "windows", "unfinished", "clusters"])
def test_round_trip(tmp_path, case):
    kept = checkpoint_of()
    if case == "without validation":
        kept = replace(kept, fold=replace(kept.fold, valid=None), parent=None)
    elif case == "windows":
        kept = replace(kept, state=replace(kept.state, lstm=None, graph=None))
    elif case == "unfinished":
        kept = replace(kept, state=None, progress=TrainingState())
    elif case == "clusters":
        kept = replace(kept, state=replace(kept.state, graph=replace(kept.state.graph, clustered=True)))
    save_checkpoint(tmp_path / "new" / "checkpoint.pt", kept)
    assert_same(load_checkpoint(tmp_path / "new" / "checkpoint.pt"), kept)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["checkpoint.pt"]


def test_nothing_but_tensors_and_plain_values_is_stored(tmp_path):
    save_checkpoint(tmp_path / "c.pt", checkpoint_of())
    packed = torch.load(tmp_path / "c.pt", weights_only=True)
    assert set(packed["versions"]) == {"quantray", "torch", "python"}
    assert packed["data_through"] == "2021-06-30"
    network = Network(NetworkSettings(**packed["network"]))
    network.load_state_dict(packed["progress"]["best"])


def test_equal_content_gives_equal_bytes(tmp_path):
    # The same texts and tensors held once, held apart, seen through a larger tensor, and read from a file.
    shared = checkpoint_of()
    paths = [tmp_path / f"{i}.pt" for i in range(4)]
    save_checkpoint(paths[0], shared)
    apart = copy.deepcopy(shared)
    apart.progress.best = {"".join(list(name)): tensor.clone() for name, tensor in apart.progress.best.items()}
    apart.progress.history = [replace(r, stage="".join(list(r.stage))) for r in apart.progress.history]
    save_checkpoint(paths[1], apart)
    wide = {name: torch.stack([tensor, tensor])[1] for name, tensor in shared.progress.best.items()}
    seen = replace(shared, progress=replace(shared.progress, weights=wide))
    save_checkpoint(paths[2], seen)
    save_checkpoint(paths[3], load_checkpoint(paths[0]))
    assert len({path.read_bytes() for path in paths}) == 1
    save_checkpoint(paths[3], replace(shared, parent=None))
    assert paths[3].read_bytes() != paths[0].read_bytes()


def test_thousands_of_names_stay_under_ten_megabytes(tmp_path):
    save_checkpoint(tmp_path / "c.pt", checkpoint_of(n_assets=2600, width=64, inputs=28))
    assert (tmp_path / "c.pt").stat().st_size < 10e6


def test_a_missing_checkpoint(tmp_path):
    with pytest.raises(DataError, match=r"checkpoint .*c.pt is not there; train first"):
        load_checkpoint(tmp_path / "c.pt")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.pt")
    with pytest.raises(DataError, match="a.pt cannot be read: .*it is a pipe or a device"):
        load_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "half", "flipped", "other content", "a list", "no state"])
def test_damaged_checkpoints(tmp_path, damage):
    path = tmp_path / "c.pt"
    save_checkpoint(path, checkpoint_of())
    whole = path.read_bytes()
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "text":
        path.write_text("not a checkpoint at all")
    elif damage == "cut":
        path.write_bytes(whole[:-100])
    elif damage == "half":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        # In the middle of the weights: the file's own sums must tell.
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    elif damage == "other content":
        torch.save({"network": {"inputs": 3}}, path)
    elif damage == "a list":
        torch.save([1, 2, 3], path)
    elif damage == "no state":
        packed = torch.load(path, weights_only=True)
        packed["state"]["lstm"] = [1]
        torch.save(packed, path)
    with pytest.raises(DataError, match="cannot be read: .*; delete it and train again"):
        load_checkpoint(path)


def test_code_in_a_file_is_not_run(tmp_path):
    class Harm:
        def __reduce__(self):
            return (pytest.fail, ("code was run",))

    torch.save({"network": Harm()}, tmp_path / "c.pt")
    with pytest.raises(DataError, match="cannot be read"):
        load_checkpoint(tmp_path / "c.pt")


def test_settings_refused_now(tmp_path):
    save_checkpoint(tmp_path / "c.pt", checkpoint_of())
    packed = torch.load(tmp_path / "c.pt", weights_only=True)
    packed["training"]["loss"] = "huber"
    torch.save(packed, tmp_path / "c.pt")
    with pytest.raises(DataError, match="holds settings that are refused now: loss 'huber'"):
        load_checkpoint(tmp_path / "c.pt")


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "c.pt"
    save_checkpoint(path, checkpoint_of())
    before = path.read_bytes()
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        save_checkpoint(tmp_path / "file" / "c.pt", checkpoint_of())
    assert path.read_bytes() == before


def test_hashes_and_names_of_fits():
    kept = checkpoint_of()
    chosen = (kept.network, kept.training, kept.graph, kept.schema)
    assert settings_hash(*chosen) == settings_hash(*copy.deepcopy(chosen))
    others = [
        (replace(kept.network, width=16), *chosen[1:]),
        (chosen[0], replace(kept.training, seed=1), *chosen[2:]),
        (*chosen[:2], replace(kept.graph, window=300), chosen[3]),
        (*chosen[:3], "abd"),
    ]
    assert len({settings_hash(*chosen), *(settings_hash(*other) for other in others)}) == 5
    assert kept.identity == f"{settings_hash(*chosen)[:12]}@2021-06-30"
