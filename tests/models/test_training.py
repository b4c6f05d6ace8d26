import copy
import io
import itertools
import math
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from quantray.errors import InputError, SolverError
from quantray.models.examples import Examples, Graphs
from quantray.models.losses import information_coefficient
from quantray.models.networks import Network, NetworkSettings
from quantray.models.scoring import TimeReading, score_rows
from quantray.models.training import TrainingSettings, train

TRAIN, VALID = slice(10, 74), slice(76, 96)
CHUNKS, WINDOWS = TimeReading(steps=16, warm_up=10), TimeReading(mode="windows", steps=5)
LAYERWISE = ("encoder", "cross", "joint")


def examples_of(n_days=96, n_names=16, seed=0, dtype=torch.float32):
    """Labels follow a name's own first feature and its neighbour's second."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(n_days, n_names, 3))
    near = generator.permutation(n_names)
    labels = values[:, :, 0] + values[:, near, 1] + 0.5 * generator.normal(size=(n_days, n_names))
    labels[generator.random(labels.shape) < 0.05] = np.nan
    reset = np.zeros((n_days, n_names), dtype=bool)
    reset[0] = reset[30, 4] = True
    member = generator.random((n_days, n_names)) < 0.95
    neighbours = torch.from_numpy(np.stack([near, -np.ones(n_names)], axis=1)[None].astype(np.int32))
    return Examples(
        values=torch.from_numpy(values).to(dtype),
        reset=torch.from_numpy(reset),
        member=torch.from_numpy(member),
        labels=torch.from_numpy(labels).to(dtype),
        graphs=Graphs(torch.zeros(n_days, dtype=torch.int64), neighbours),
    )


def network_of(attention="neighbours", dropout=0.0, seed=0, **settings):
    torch.manual_seed(seed)
    shape = {"inputs": 3, "width": 8, "layers": 1, "heads": 2} | settings
    return Network(NetworkSettings(attention=attention, dropout=dropout, **shape))


def settings_of(**changes):
    return TrainingSettings(**({"reading": CHUNKS, "epochs": 4, "patience": 4, "learning_rate": 0.01} | changes))


def run(settings, network=None, examples=None, valid=VALID, **more):
    return train(
        network_of() if network is None else network,
        examples_of() if examples is None else examples,
        TRAIN,
        valid,
        settings,
        **more,
    )


def assert_same(ours, theirs, **tolerance):
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert_close(tensor, theirs[name], **(tolerance or {"rtol": 0.0, "atol": 0.0}))


def stored(value):
    """Through a file, as a checkpoint would."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def validation_ic(network, examples, settings):
    scores, _ = score_rows(network, examples, VALID, settings.reading)
    rows = torch.arange(VALID.start, VALID.stop)
    return float(information_coefficient(scores, examples.labels[rows], examples.known(rows)).mean())


# An epoch of windows takes a step for each of its dates, one of chunks a step for many.
@pytest.mark.parametrize(("reading", "epochs"), [(CHUNKS, 12), (WINDOWS, 3)], ids=["chunks", "windows"])
@pytest.mark.parametrize("loss", ["ic", "mse", "pairwise", "listmle"])
def test_learns_what_is_there(reading, epochs, loss):
    trained = run(settings_of(reading=reading, loss=loss, epochs=epochs, batch=4, learning_rate=0.03))
    history = trained.state.history
    assert history[-1].loss < history[0].loss
    assert trained.state.best_ic > 0.8


def test_only_peers_tell_the_rest():
    settings = settings_of(epochs=15, batch=2, learning_rate=0.03)
    own, both = (run(settings, network_of(kind)).state.best_ic for kind in ("none", "neighbours"))
    # Own and peer's part and noise have variances 1, 1 and 1/4.
    assert own < math.sqrt(1 / 2.25) + 0.05
    assert both > 0.85


def test_the_same_seed_gives_the_same_weights_and_another_does_not():
    one, two, three = (run(settings_of(seed=s, epochs=2), network_of(dropout=0.3)) for s in (1, 1, 2))
    assert_same(one.network.state_dict(), two.network.state_dict())
    assert (one.network.score.weight != three.network.score.weight).any()


def test_random_numbers_drawn_elsewhere_change_nothing():
    settings = settings_of(epochs=2, reading=WINDOWS, batch=4)
    plain = run(settings, network_of(dropout=0.3))
    disturbed = run(settings, network_of(dropout=0.3), after_epoch=lambda *_: torch.randn(3))
    assert_same(plain.network.state_dict(), disturbed.network.state_dict())


RESUMED = {
    "chunks": {},
    "windows": {"reading": WINDOWS, "batch": 8, "epochs": 3},
    "accumulated": {"accumulate": 3},
    "layer by layer": {"stages": LAYERWISE, "epochs": 2},
    "layer by layer in windows": {"stages": LAYERWISE, "epochs": 2, "reading": WINDOWS, "batch": 16},
    "impatient": {"stages": ("encoder", "joint"), "patience": 1, "learning_rate": 0.1},
}


@pytest.mark.parametrize("case", RESUMED)
def test_resuming_after_any_epoch_gives_the_same_weights(case):
    settings, states = settings_of(**RESUMED[case]), []
    whole = run(settings, network_of(dropout=0.3), after_epoch=lambda state, _: states.append(copy.deepcopy(state)))
    assert len(states) >= 2
    for state in states:
        # A network that starts elsewhere, so that nothing but the state can make it agree.
        kept = replace(state, weights=stored(state.weights), best=stored(state.best), optimiser=stored(state.optimiser))
        again = run(settings, network_of(dropout=0.3, seed=5), resume=kept)
        assert_same(again.network.state_dict(), whole.network.state_dict())
        assert_same(again.state.weights, whole.state.weights)
        assert again.state.history == whole.state.history
        assert kept.epoch == state.epoch


def test_a_finished_run_is_not_trained_again():
    settings = settings_of(epochs=2)
    whole = run(settings)
    again = run(settings, network_of(seed=5), resume=whole.state, after_epoch=lambda *_: pytest.fail("trained again"))
    assert_same(again.network.state_dict(), whole.network.state_dict())


@pytest.mark.parametrize("reading", [CHUNKS, WINDOWS], ids=["chunks", "windows"])
def test_early_stopping_restores_the_best(reading):
    settings = settings_of(reading=reading, epochs=40, patience=3, learning_rate=0.1, batch=4)
    trained = run(settings)
    ics = [report.valid_ic for report in trained.state.history]
    best = int(np.argmax(ics))
    assert len(ics) == best + 1 + 3 < 40
    assert trained.state.best_ic == ics[best] == trained.state.history[-1].best_ic
    assert validation_ic(trained.network, examples_of(), settings) == pytest.approx(ics[best], abs=1e-6)
    assert not trained.network.training


def test_without_validation_the_last_epoch_stays():
    trained = run(settings_of(epochs=3, patience=1), valid=None)
    assert len(trained.state.history) == 3
    assert all(math.isnan(report.valid_ic) for report in trained.state.history)
    assert_same(trained.network.state_dict(), trained.state.weights)


def test_validation_dates_without_labels_count_as_none():
    examples = examples_of()
    examples.labels[VALID] = np.nan
    trained = run(settings_of(epochs=2), examples=examples)
    assert_same(trained.network.state_dict(), trained.state.weights)


def part(network, *prefixes):
    return {name: t.clone() for name, t in network.state_dict().items() if name.startswith(prefixes)}


@pytest.mark.parametrize("reading", [CHUNKS, WINDOWS], ids=["chunks", "windows"])
def test_stages_train_their_part(reading):
    encoder, cross, head = ("encoder.", "today."), ("cross.", "mix."), ("inner.", "score.")
    before, seen = network_of(), []

    def look(state, network):
        seen.append((state.history[-1].stage, copy.deepcopy(network), state.best))

    run(settings_of(reading=reading, stages=LAYERWISE, epochs=2, batch=4), copy.deepcopy(before), after_epoch=look)
    assert [stage for stage, *_ in seen] == ["encoder", "encoder", "cross", "cross", "joint", "joint"]
    moved = {"encoder": (encoder, head), "cross": (cross, head), "joint": (encoder, cross, head)}
    start = before.state_dict()
    for (stage, network, _), (_, _, best) in zip(seen[::2], seen[1::2], strict=True):
        for group in (encoder, cross, head):
            same = all(torch.equal(tensor, start[name]) for name, tensor in part(network, *group).items())
            assert same == (group not in moved[stage]), (stage, group)
        start = best


def test_a_stage_starts_from_the_best_of_the_one_before():
    states = []
    run(
        settings_of(stages=LAYERWISE, epochs=6, patience=2, learning_rate=0.1),
        after_epoch=lambda state, _: states.append(copy.deepcopy(state)),
    )
    turns = [(one, two) for one, two in itertools.pairwise(states) if two.stage > one.stage]
    assert len(turns) == 2
    for _, ended in turns:
        assert_same(ended.weights, ended.best)
        assert ended.optimiser == {}
        assert ended.moves == ended.epoch == 0


def test_the_encoders_own_ic_is_no_mark_for_the_network_with_attention():
    # A learning rate of next to nothing: the cross-section never becomes as good as none at all.
    settings = settings_of(stages=("encoder", "cross"), epochs=2, learning_rate=1e-9)
    network = network_of()
    with torch.no_grad():
        network.score.weight *= -1
        network.mix.weight *= 30
    trained = run(settings, network)
    assert trained.state.history[1].best_ic > trained.state.history[-1].best_ic + 0.01
    # The cross stage measures on tokens in half precision.
    assert validation_ic(trained.network, examples_of(), settings) == pytest.approx(trained.state.best_ic, abs=0.02)


def test_recomputing_trains_alike():
    settings, examples = settings_of(epochs=1), examples_of(dtype=torch.float64)
    for kind in ("neighbours", "complete"):
        kept, again = (run(settings, network_of(kind, recompute=r).double(), examples) for r in (False, True))
        assert_same(again.network.state_dict(), kept.network.state_dict(), rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("kind", ["none", "neighbours", "complete", "dense"])
@pytest.mark.parametrize("reading", [CHUNKS, WINDOWS], ids=["chunks", "windows"])
def test_half_precision_trains_nearly_alike(kind, reading):
    epochs = 6 if reading is CHUNKS else 3
    settings = settings_of(epochs=epochs, learning_rate=0.03, reading=reading, batch=4)
    full = run(settings, network_of(kind)).state.best_ic
    half = run(replace(settings, reading=replace(reading, precision="bf16")), network_of(kind))
    assert half.state.best_ic == pytest.approx(full, abs=0.03)
    assert all(t.dtype == torch.float32 for t in half.network.state_dict().values())


@pytest.mark.parametrize("loss", ["ic", "mse", "pairwise", "listmle"])
@pytest.mark.parametrize("valid", [VALID, None])
def test_divergence_is_an_error(loss, valid):
    # The last step of an epoch may break the weights after every loss has been taken.
    with pytest.raises(SolverError, match="training diverged .* lower learning_rate or clip"):
        run(settings_of(loss=loss, learning_rate=1e38, clip=1e38, epochs=1), valid=valid)


def test_broken_inputs_are_an_error_whatever_the_loss():
    examples = examples_of()
    examples.values[20, 3, 0] = torch.nan
    for loss in ("ic", "mse", "pairwise", "listmle"):
        with pytest.raises(SolverError, match="training diverged"):
            run(settings_of(loss=loss, epochs=1), examples=examples, valid=None)


def test_a_date_counts_by_itself_not_by_its_names():
    # One step over all dates: the gradient is the mean over dates of each date's own.
    examples = examples_of()
    settings = settings_of(epochs=1, reading=TimeReading(steps=64, warm_up=10), weight_decay=0.0)
    trained = run(settings, network_of("none"), examples, valid=None)
    loss = trained.state.history[0].loss
    network = network_of("none")
    scores, _ = score_rows(network, examples, TRAIN, settings.reading)
    rows = torch.arange(TRAIN.start, TRAIN.stop)
    daily = information_coefficient(scores, examples.labels[rows], examples.known(rows))
    assert loss == pytest.approx(1 - float(daily.mean()), abs=1e-5)


def test_nothing_after_validation_is_read():
    longer = examples_of(120)
    examples = replace(longer, **{n: getattr(longer, n).clone() for n in ("values", "labels")})
    examples.values[VALID.stop :] = 9.0
    examples.labels[VALID.stop :] = -3.0
    for stages in (("joint",), LAYERWISE):
        settings = settings_of(epochs=2, stages=stages)
        one, other = (run(settings, examples=e) for e in (longer, examples))
        assert_same(one.network.state_dict(), other.network.state_dict())


class Side:
    """One of several workers that add up in lockstep, in threads."""

    def __init__(self, rank, count, barrier, slots):
        self.rank, self.count, self.barrier, self.slots = rank, count, barrier, slots

    def add_up(self, tensors):
        self.slots[self.rank] = [tensor.detach().clone() for tensor in tensors]
        self.barrier.wait(timeout=300)
        totals = [sum(parts[1:], parts[0]) for parts in zip(*self.slots, strict=True)]
        self.barrier.wait(timeout=300)
        for tensor, total in zip(tensors, totals, strict=True):
            tensor.detach().copy_(total)


def side_by_side(count, settings, examples, **more):
    """Train in lockstep; dropout draws from one global generator, so there must be none."""
    barrier, slots, done, errors = threading.Barrier(count), [None] * count, [None] * count, []
    networks = [network_of().double() for _ in range(count)]

    def work(rank):
        try:
            done[rank] = run(settings, networks[rank], examples, workers=Side(rank, count, barrier, slots), **more)
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return done


@pytest.mark.parametrize(
    "changes",
    [
        {"reading": CHUNKS, "batch": 4},
        {"reading": CHUNKS, "batch": 2, "accumulate": 2},
        {"reading": CHUNKS, "batch": 2, "stages": LAYERWISE},
        {"reading": WINDOWS, "batch": 4},
        # 64 dates in steps of 6 leave 4, in steps of 7 they leave 1: one of two workers goes without.
        {"reading": WINDOWS, "batch": 6, "accumulate": 2},
        {"reading": replace(WINDOWS, steps=2), "batch": 10, "stages": ("encoder", "cross")},
    ],
    ids=["chunks", "accumulated", "layer by layer", "windows", "accumulated windows", "windows layer by layer"],
)
def test_several_workers_equal_one(changes):
    examples = examples_of(dtype=torch.float64)
    settings = settings_of(epochs=2, **changes)
    alone = run(settings, network_of().double(), examples)
    together = side_by_side(2, settings, examples)
    for trained in together:
        assert_same(trained.network.state_dict(), alone.network.state_dict(), rtol=0.0, atol=1e-9)
        for mine, other in zip(trained.state.history, alone.state.history, strict=True):
            assert mine.loss == pytest.approx(other.loss, abs=1e-6)
            assert mine.valid_ic == pytest.approx(other.valid_ic, abs=1e-6)


def test_a_worker_without_a_date_in_the_last_step():
    examples = examples_of(dtype=torch.float64)
    # 63 dates in steps of 2: the last step has a single one.
    settings = settings_of(epochs=1, reading=replace(WINDOWS, steps=12), batch=2)
    assert (TRAIN.stop - settings.reading.first_row(TRAIN.start)) % 2 == 1
    alone = run(settings, network_of().double(), examples)
    for trained in side_by_side(2, settings, examples):
        assert_same(trained.network.state_dict(), alone.network.state_dict(), rtol=0.0, atol=1e-9)


def test_workers_fail_together():
    with pytest.raises((SolverError, threading.BrokenBarrierError)):
        side_by_side(
            2, settings_of(batch=2, learning_rate=1e300, clip=1e300, epochs=2), examples_of(dtype=torch.float64)
        )


def test_runs_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="batch 3 does not divide among 2 workers"):
        run(settings_of(batch=3), workers=Side(0, 2, None, None))
    with pytest.raises(InputError, match="64 training dates are too few for batch 40"):
        run(settings_of(batch=40))
    with pytest.raises(InputError, match="0 training dates are too few for batch 1"):
        run(settings_of(reading=TimeReading(mode="windows", steps=80)))
    with pytest.raises(InputError, match="would leave the attention untrained"):
        run(settings_of(stages=("encoder",)))
    assert run(settings_of(stages=("encoder",), epochs=1), network_of("none")).state.finished


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch": 0, "epochs": 0}, "batch 0, epochs 0 must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate and clip must be positive"),
        ({"weight_decay": -1.0}, "weight_decay not negative"),
        ({"clip": float("nan")}, "learning_rate and clip must be positive"),
        ({"loss": "huber"}, "loss 'huber' is not one of mse, ic"),
        ({"stages": ()}, "must be some of encoder, cross and joint"),
        ({"stages": ("joint", "head")}, "must be some of encoder, cross and joint"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(InputError, match=message):
        TrainingSettings(**settings)
