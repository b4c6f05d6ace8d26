from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from quantray.errors import InputError
from quantray.models.examples import Normaliser, make_examples
from quantray.models.networks import ATTENTIONS, Network, NetworkSettings
from quantray.models.scoring import TimeReading, chunk_scores, encoded_rows, score_rows, warm_state, window_scores

EXACT = {"rtol": 0.0, "atol": 1e-12}


def examples_of(n_days=30, n_names=7, seed=0, gaps=True):
    """Double-precision examples with listings, gaps, two graphs and clusters."""
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(n_days, n_names, 3)).astype(np.float32)
    present = np.ones((n_days, n_names), dtype=bool)
    if gaps:
        present[:4, 1] = False
        present[8:20, 2] = False
    member = present & (generator.random((n_days, n_names)) < 0.9)
    near = {row: torch.from_numpy(generator.integers(-1, n_names, (n_names, 3))) for row in (0, 13)}
    clusters = {0: torch.tensor([[0, 1, 2], [3, 4, -1], [5, 6, -1]])}
    normaliser = Normaliser.fit(values, member)
    links = make_examples(values, present, member, None, normaliser, near)
    grouped = make_examples(values, present, member, None, normaliser, clusters=clusters)
    return {
        kind: replace(e, values=e.values.double())
        for kind, e in {k: grouped if k == "hierarchical" else links for k in ATTENTIONS}.items()
    }


def network_of(kind, seed=0):
    torch.manual_seed(seed)
    return Network(NetworkSettings(inputs=4, width=8, heads=2, attention=kind, dropout=0.3)).double().eval()


EXAMPLES = examples_of()


def members(examples, rows, scores):
    return scores[examples.member[rows]]


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_scores_do_not_depend_on_the_length_of_chunks(kind):
    network, examples, rows = network_of(kind), EXAMPLES[kind], slice(9, 30)
    one, state = score_rows(network, examples, rows, TimeReading(steps=21, warm_up=9))
    for steps in (1, 4, 20):
        other, end = score_rows(network, examples, rows, TimeReading(steps=steps, warm_up=9))
        assert_close(members(examples, rows, other), members(examples, rows, one), rtol=0, atol=1e-6)
        assert_close(end.hidden, state.hidden, **EXACT)


def test_days_with_a_carried_state_equal_one_go():
    network, examples, reading = network_of("neighbours"), EXAMPLES["neighbours"], TimeReading(steps=5, warm_up=9)
    whole, end = score_rows(network, examples, slice(9, 30), reading)
    state, days = None, []
    for day in range(9, 30):
        scores, state = score_rows(network, examples, slice(day, day + 1), reading, state)
        days.append(scores)
    assert_close(members(examples, slice(9, 30), torch.cat(days)), members(examples, slice(9, 30), whole))
    assert_close(state.cell, end.cell, **EXACT)


@pytest.mark.parametrize("kind", ATTENTIONS)
def test_a_window_of_the_whole_history_is_a_chunk_from_the_empty_state(kind):
    network, examples = network_of(kind), EXAMPLES[kind]
    chunk, _ = chunk_scores(network, examples, [range(30)], network.encoder.empty(7), TimeReading(steps=30, warm_up=0))
    window = window_scores(network, examples, torch.tensor([29]), TimeReading(mode="windows", steps=30))
    assert_close(members(examples, slice(29, 30), window), members(examples, slice(29, 30), chunk[-1:]), **EXACT)


def test_windows_side_by_side_equal_one_by_one():
    network, examples, reading = network_of("dense"), EXAMPLES["dense"], TimeReading(mode="windows", steps=6)
    rows = torch.tensor([17, 5, 29])
    together = window_scores(network, examples, rows, reading)
    for place, row in enumerate(rows.tolist()):
        alone = window_scores(network, examples, torch.tensor([row]), reading)
        assert_close(together[place][examples.member[row]], alone[0][examples.member[row]], **EXACT)
    by_rows, state = score_rows(network, examples, slice(5, 30), reading)
    assert state is None
    assert_close(by_rows[0][examples.member[5]].double(), together[1][examples.member[5]], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["none", "neighbours"])
def test_streams_side_by_side_equal_one_by_one(kind):
    network, examples, reading = network_of(kind), EXAMPLES[kind], TimeReading(steps=4, warm_up=5)
    starts = [6, 14, 22]
    state = warm_state(network, examples, starts, reading)
    together, after = chunk_scores(network, examples, [range(s, s + 4) for s in starts], state, reading)
    for place, start in enumerate(starts):
        alone, end = chunk_scores(
            network, examples, [range(start, start + 4)], warm_state(network, examples, [start], reading), reading
        )
        rows = slice(start, start + 4)
        mine = together.view(3, 4, 7)[place]
        assert_close(members(examples, rows, mine), members(examples, rows, alone), **EXACT)
        assert_close(after.hidden.view(2, 3, 7, 8)[:, place], end.hidden, **EXACT)


def test_warm_up_reads_no_more_rows_than_it_says():
    network, examples = network_of("none"), EXAMPLES["none"]
    changed = examples.values.clone()
    changed[:10] = 3.0
    other = replace(examples, values=changed)
    same, moved = (
        [warm_state(network, e, [20], TimeReading(warm_up=days)).hidden for e in (examples, other)] for days in (10, 11)
    )
    assert_close(*same, rtol=0, atol=0)
    assert (moved[0] != moved[1]).any()
    assert (warm_state(network, examples, [0], TimeReading()).hidden == 0).all()


@pytest.mark.parametrize("mode", ["chunks", "windows"])
def test_scores_know_nothing_later(mode):
    network, examples = network_of("neighbours"), EXAMPLES["neighbours"]
    reading = TimeReading(mode=mode, steps=6, warm_up=5)
    changed = examples.values.clone()
    changed[15:] = 9.0
    later = replace(examples, values=changed)
    before, after = (score_rows(network, e, slice(6, 20), reading)[0] for e in (examples, later))
    assert_close(members(examples, slice(6, 15), before[:9]), members(examples, slice(6, 15), after[:9]), **EXACT)


@pytest.mark.parametrize("mode", ["chunks", "windows"])
def test_cached_tokens_are_the_encoders(mode):
    network, examples = network_of("none"), EXAMPLES["none"]
    reading = TimeReading(mode=mode, steps=6, warm_up=5)
    cache = encoded_rows(network, examples, slice(8, 30), reading)
    assert cache.dtype == torch.bfloat16
    assert cache.shape == (30, 7, 8)
    assert (cache[:8] == 0).all()
    rows = torch.arange(8, 30)
    from_cache = network.head(cache[rows].double(), examples.structure(rows))
    scores, _ = score_rows(network, examples, slice(8, 30), reading)
    assert_close(from_cache.float(), scores, rtol=0, atol=0.02)


@pytest.mark.parametrize("kind", ATTENTIONS)
@pytest.mark.parametrize("mode", ["chunks", "windows"])
def test_half_precision_is_near(kind, mode):
    network, examples = network_of(kind).float(), EXAMPLES[kind]
    examples = replace(examples, values=examples.values.float())
    readings = [TimeReading(mode=mode, steps=6, warm_up=5, precision=precision) for precision in ("fp32", "bf16")]
    full, half = (members(examples, slice(6, 30), score_rows(network, examples, slice(6, 30), r)[0]) for r in readings)
    assert half.dtype == torch.float32
    assert (full != half).any()
    assert_close(half, full, rtol=0, atol=0.05)


def test_scoring_leaves_dropout_out():
    network, examples = network_of("none"), EXAMPLES["none"]
    network.train()
    first, again = (score_rows(network, examples, slice(6, 12), TimeReading())[0] for _ in range(2))
    assert_close(first, again, rtol=0, atol=0)


def test_windows_before_the_first_row_are_refused():
    with pytest.raises(InputError, match=r"a window of 6 days reaches before the first row; give rows from 5 on"):
        score_rows(network_of("none"), EXAMPLES["none"], slice(4, 9), TimeReading(mode="windows", steps=6))


def test_first_row_that_can_be_scored():
    assert TimeReading(mode="windows", steps=6).first_row(2) == 5
    assert TimeReading(mode="windows", steps=6).first_row(9) == 9
    assert TimeReading(mode="chunks", steps=6).first_row(2) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "days"}, "mode 'days' is chunks or windows"),
        ({"precision": "fp8"}, "precision 'fp8' fp32 or bf16"),
        ({"steps": 0}, "steps 0 must be at least 1"),
        ({"warm_up": -1}, "warm_up -1 not negative"),
    ],
)
def test_readings_out_of_range(settings, message):
    with pytest.raises(InputError, match=message):
        TimeReading(**settings)
