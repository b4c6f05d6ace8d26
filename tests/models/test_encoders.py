import pytest
import torch
from torch.testing import assert_close

from quantray.errors import InputError
from quantray.models.encoders import LSTMEncoder, LSTMState

EXACT = {"rtol": 0.0, "atol": 1e-14}


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return LSTMEncoder(3, 5, layers=2).double().eval()


def history(steps=12, n_sequences=6, seed=1):
    return torch.randn(steps, n_sequences, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def random_resets(steps=12, n_sequences=6, share=0.2, seed=2):
    return torch.rand(steps, n_sequences, generator=torch.Generator().manual_seed(seed)) < share


def step_by_step(encoder, x, state=None, reset=None):
    """One day and one sequence at a time, emptying the state by hand."""
    out, hidden, cell = torch.zeros(*x.shape[:2], 5, dtype=x.dtype), [], []
    for sequence in range(x.shape[1]):
        h, c = (
            torch.zeros(2, 1, 5, dtype=x.dtype) if state is None else part[:, sequence : sequence + 1].contiguous()
            for part in ((None, None) if state is None else (state.hidden, state.cell))
        )
        for step in range(len(x)):
            if reset is not None and reset[step, sequence]:
                h, c = torch.zeros_like(h), torch.zeros_like(c)
            one, (h, c) = encoder.lstm(x[step : step + 1, sequence : sequence + 1], (h, c))
            out[step, sequence] = one[0, 0]
        hidden.append(h)
        cell.append(c)
    return out, LSTMState(torch.cat(hidden, dim=1), torch.cat(cell, dim=1))


def assert_state(ours, theirs, **tolerance):
    assert_close(ours.hidden, theirs.hidden, **tolerance)
    assert_close(ours.cell, theirs.cell, **tolerance)


@pytest.mark.parametrize("length", [1, 5, 12])
def test_chunks_with_a_carried_state_equal_one_pass(encoder, length):
    x = history()
    whole, end = encoder(x)
    state, parts = None, []
    for start in range(0, len(x), length):
        part, state = encoder(x[start : start + length], state)
        parts.append(part)
    assert_close(torch.cat(parts), whole, **EXACT)
    assert_state(state, end, **EXACT)


def test_chunks_with_resets_equal_one_pass(encoder):
    x, reset = history(20), random_resets(20)
    whole, end = encoder(x, None, reset)
    state, parts = None, []
    for start in range(0, 20, 7):
        part, state = encoder(x[start : start + 7], state, reset[start : start + 7])
        parts.append(part)
    assert_close(torch.cat(parts), whole, **EXACT)
    assert_state(state, end, **EXACT)


RESETS = {
    "random": random_resets(),
    "often": random_resets(share=0.7),
    "none": torch.zeros(12, 6, dtype=torch.bool),
    "always": torch.ones(12, 6, dtype=torch.bool),
    "all at the first step": (torch.arange(12) == 0)[:, None].expand(12, 6),
    "some at the first step": (torch.arange(12) == 0)[:, None] & (torch.arange(6) % 2 == 0),
    "all at the last step": (torch.arange(12) == 11)[:, None].expand(12, 6),
    "one": (torch.arange(12) == 4)[:, None] & (torch.arange(6) == 3),
    "two in a row": ((torch.arange(12) == 4) | (torch.arange(12) == 5))[:, None] & (torch.arange(6) == 3),
}


@pytest.mark.parametrize("case", RESETS)
@pytest.mark.parametrize("carried", [False, True])
def test_resets_equal_step_by_step(encoder, case, carried):
    x, reset = history(), RESETS[case]
    state = encoder(history(seed=9))[1].detached() if carried else None
    out, end = encoder(x, state, reset)
    expected, expected_end = step_by_step(encoder, x, state, reset)
    assert_close(out, expected, **EXACT)
    assert_state(end, expected_end, **EXACT)


def test_gradients_with_resets_equal_step_by_step(encoder):
    x, reset, state = history(), RESETS["random"], encoder(history(seed=9))[1].detached()

    def gradients(run):
        mine = x.clone().requires_grad_()
        out, end = run(mine)
        total = (out * out).sum() + (end.hidden * 3).sum() + end.cell.sum()
        return torch.autograd.grad(total, [mine, *encoder.parameters()])

    ours = gradients(lambda x: encoder(x, state, reset))
    theirs = gradients(lambda x: step_by_step(encoder, x, state, reset))
    for mine, other in zip(ours, theirs, strict=True):
        assert_close(mine, other, rtol=0, atol=1e-12)


def test_a_reset_forgets_everything_before(encoder):
    x, reset = history(), RESETS["one"]
    other = x.clone()
    other[:4, 3] = 100.0
    before, after = encoder(x, None, reset)[0], encoder(other, None, reset)[0]
    assert_close(before[4:], after[4:], rtol=0, atol=0)
    assert (before[:4, 3] != after[:4, 3]).all()


def test_no_output_knows_later_steps(encoder):
    x, reset = history(), RESETS["random"]
    other = x.clone()
    other[7:] = 5.0
    assert_close(encoder(x, None, reset)[0][:7], encoder(other, None, reset)[0][:7], **EXACT)


def test_permuting_sequences_permutes_the_output(encoder):
    x, reset = history(), RESETS["random"]
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    out, state = encoder(x, None, reset)
    moved, moved_state = encoder(x[:, order], None, reset[:, order])
    assert_close(moved, out[:, order], **EXACT)
    assert_state(moved_state, state.take(order), **EXACT)


def test_states_of_some_sequences(encoder):
    _, state = encoder(history())
    taken = state.take(torch.tensor([2, -1, 0]))
    assert_close(taken.hidden[:, 0], state.hidden[:, 2])
    assert_close(taken.cell[:, 2], state.cell[:, 0])
    assert (taken.hidden[:, 1] == 0).all()
    assert (taken.cell[:, 1] == 0).all()


def test_detached_states_carry_no_gradient(encoder):
    _, state = encoder(history())
    assert state.hidden.requires_grad
    assert not state.detached().hidden.requires_grad
    assert not state.detached().cell.requires_grad


def test_the_lstm_stays_in_single_precision_under_autocast():
    torch.manual_seed(0)
    encoder = LSTMEncoder(3, 5)
    x = history().float()
    with torch.autocast("cpu", torch.bfloat16):
        out, state = encoder(x)
    assert out.dtype == state.cell.dtype == torch.float32
    assert_close(out, encoder(x)[0], rtol=0, atol=0)


def test_wrong_shapes_are_refused(encoder):
    with pytest.raises(InputError, match=r"x is \(12, 6, 3\) for a state of 4 sequences"):
        encoder(history(), encoder.empty(4))
    with pytest.raises(InputError, match=r"give \(L, B, F\)"):
        encoder(history()[:, 0], encoder.empty(3))
