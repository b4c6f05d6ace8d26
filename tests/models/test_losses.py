import itertools

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from torch.testing import assert_close

from quantray.models import losses
from quantray.models.losses import (
    LOSSES,
    information_coefficient,
    listmle,
    mean_squared_error,
    one_minus_ic,
    pairwise,
)

EXACT = {"rtol": 0.0, "atol": 1e-12}
NAN = float("nan")


def example(n_dates=3, n_names=9, seed=0):
    """Scores and labels with unknown ones, and the mask of those known."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(n_dates, n_names, generator=generator, dtype=torch.float64)
    labels = torch.randn(n_dates, n_names, generator=generator, dtype=torch.float64)
    mask = torch.rand(n_dates, n_names, generator=generator) < 0.7
    mask[:, :3] = True
    return scores, labels.masked_fill(~mask, NAN), mask


def known(scores, labels, mask):
    """Date by date, those that count."""
    return [(s[m], y[m]) for s, y, m in zip(scores, labels, mask, strict=True)]


def row(*values):
    return torch.tensor([values], dtype=torch.float64)


EVERY = torch.ones(1, 3, dtype=torch.bool)


def test_losses_by_hand():
    scores, labels = row(1.0, 2.0, 4.0), row(1.0, 3.0, 2.0)
    assert_close(mean_squared_error(scores, labels, EVERY), row(5 / 3)[0])
    # Deviations (-4, -1, 5) / 3 and (-1, 1, 0).
    assert_close(information_coefficient(scores, labels, EVERY), row(1 / (42 / 9 * 2) ** 0.5)[0])
    # Of the pairs (better, worse) = (1, 0), (1, 2), (2, 0), the scores differ by 1, -2 and 3.
    expected = np.log1p(np.exp([-1.0, 2.0, -3.0])).mean()
    assert_close(pairwise(scores, labels, EVERY), row(expected)[0])
    # Names in the order 1, 2, 0 of their labels.
    likely = np.exp(2) / np.exp([1, 2, 4]).sum() * np.exp(4) / np.exp([1, 4]).sum()
    assert_close(listmle(scores, labels, EVERY), row(-np.log(likely) / 3)[0])


def test_information_coefficient_is_pearson():
    scores, labels, mask = example()
    expected = [pearsonr(s, y).statistic for s, y in known(scores, labels, mask)]
    assert_close(information_coefficient(scores, labels, mask), torch.tensor(expected, dtype=torch.float64), **EXACT)
    assert_close(one_minus_ic(scores, labels, mask), 1 - torch.tensor(expected, dtype=torch.float64), **EXACT)


def test_information_coefficient_of_what_does_not_vary():
    labels, flat = row(1.0, 2.0, 3.0), row(0.5, 0.5, 0.5)
    assert information_coefficient(flat, labels, EVERY).item() == 0
    assert information_coefficient(labels, flat, EVERY).item() == 0
    scores = flat.clone().requires_grad_()
    one_minus_ic(scores, labels, EVERY).sum().backward()
    assert scores.grad.isfinite().all()


def test_broken_scores_are_not_taken_for_constant_ones():
    scores = row(1.0, NAN, 2.0)
    for loss in (information_coefficient, *LOSSES.values()):
        assert loss(scores, row(1.0, 2.0, 3.0), EVERY).isnan().all()


def test_pairwise_by_brute_force():
    scores, labels, mask = example()
    labels = (labels * 2).round()  # with ties
    expected = []
    for s, y in known(scores, labels, mask):
        pairs = [(i, j) for i, j in itertools.permutations(range(len(s)), 2) if y[i] > y[j]]
        expected.append(sum(torch.log1p(torch.exp(s[j] - s[i])) for i, j in pairs) / len(pairs))
    assert_close(pairwise(scores, labels, mask), torch.stack(expected), **EXACT)


def test_listmle_by_brute_force():
    scores, labels, mask = example()
    expected = []
    for s, y in known(scores, labels, mask):
        ranked = s[y.argsort(descending=True)]
        terms = [torch.logsumexp(ranked[place:], 0) - ranked[place] for place in range(len(ranked))]
        expected.append(sum(terms) / len(terms))
    assert_close(listmle(scores, labels, mask), torch.stack(expected), **EXACT)


def test_listmle_is_a_likelihood():
    scores = row(0.3, -1.0, 0.8)
    orders = [torch.tensor([order], dtype=torch.float64) for order in itertools.permutations((1.0, 2.0, 3.0))]
    total = sum(torch.exp(-3 * listmle(scores, labels, EVERY)).item() for labels in orders)
    assert total == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck(name, monkeypatch):
    monkeypatch.setattr(losses, "_PAIR_ROWS", 4)
    scores, labels, mask = example()
    mask[2] = False
    assert torch.autograd.gradcheck(lambda s: LOSSES[name](s, labels, mask), [scores.requires_grad_()])


def test_blocks_of_pairs_change_nothing(monkeypatch):
    scores, labels, mask = example()
    whole = pairwise(scores, labels, mask)
    monkeypatch.setattr(losses, "_PAIR_ROWS", 2)
    assert_close(pairwise(scores, labels, mask), whole, **EXACT)


@pytest.mark.parametrize("name", LOSSES)
def test_unknown_labels_count_for_nothing(name):
    scores, labels, mask = example()
    scores = torch.where(mask, scores, NAN).requires_grad_()
    loss = LOSSES[name](scores, labels, mask)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert (scores.grad[~mask] == 0).all()
    assert (scores.grad[mask] != 0).any()
    packed = [LOSSES[name](s[None], y[None], torch.ones(1, len(s), dtype=torch.bool)) for s, y in known(*example())]
    assert_close(loss.detach(), torch.cat(packed), **EXACT)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_names_give_zero(name, count):
    scores, labels, _ = example(n_dates=1)
    mask = torch.arange(9)[None] < count
    scores.requires_grad_()
    loss = LOSSES[name](scores, labels, mask)
    loss.sum().backward()
    assert loss.tolist() == [0.0]
    assert (scores.grad == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_permuting_names_changes_nothing(name):
    scores, labels, mask = example()
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    moved = LOSSES[name](scores[:, order], labels[:, order], mask[:, order])
    assert_close(moved, LOSSES[name](scores, labels, mask), **EXACT)


@pytest.mark.parametrize("name", ["ic", "pairwise", "listmle"])
def test_better_orders_lose_less(name):
    labels = torch.linspace(-1, 1, 9, dtype=torch.float64)[None]
    mask = torch.ones(1, 9, dtype=torch.bool)
    right, wrong = LOSSES[name](labels, labels, mask), LOSSES[name](-labels, labels, mask)
    assert right < LOSSES[name](0 * labels, labels, mask) < wrong


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_summed_in_single(name):
    scores, labels, mask = example()
    loss = LOSSES[name](scores.to(torch.bfloat16), labels.to(torch.bfloat16), mask)
    assert loss.dtype == torch.float32
    wide = LOSSES[name](scores.to(torch.bfloat16).double(), labels.to(torch.bfloat16).double(), mask)
    assert_close(loss.double(), wide, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_large_scores_stay_finite(name):
    scores, labels, mask = example()
    scores = (1e4 * scores).float().requires_grad_()
    loss = LOSSES[name](scores, labels.float(), mask)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert scores.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_memory_is_linear_in_the_names(name):
    def kept(n_names):
        numbers = 0

        def count(tensor):
            nonlocal numbers
            numbers += tensor.numel()
            return tensor

        scores, labels, mask = example(1, n_names)
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            LOSSES[name](scores.float().requires_grad_(), labels.float(), mask)
        return numbers

    assert kept(2000) < 2.1 * kept(1000) < 2.1 * 1000 * 40
