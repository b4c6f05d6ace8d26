import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.portfolio.chains import ChainSystem, Columns, moves, moves_back

H, N, P, J = 4, 6, 3, 2


def system(generator, alike, spread=3):
    node, fixed = generator.uniform(0.1, 1, (H, N)), generator.random((H, N)) < 0.2
    link = 10 ** generator.uniform(-spread, spread, (H, N))
    columns = generator.normal(size=(P, N) if alike else (H, P, N))
    extra, corner = generator.normal(size=(J, H, N)), generator.random((H, P))
    return node, link, fixed, columns, corner, extra, generator.random(J)


def dense(node, link, fixed, columns, corner, extra, extra_corner):
    """The free part of the same system as one matrix."""
    step = np.kron(np.eye(H) - np.eye(H, k=-1), np.eye(N))
    chains = np.diag(node.ravel()) + step.T @ np.diag(link.ravel()) @ step
    coupling = np.zeros((H * N, H * P + J))
    for h in range(H):
        coupling[h * N : (h + 1) * N, h * P : (h + 1) * P] = (columns if columns.ndim == 2 else columns[h]).T
    coupling[:, H * P :] = extra.reshape(J, -1).T
    free = ~fixed.ravel()
    corner = -np.diag(np.concatenate([corner.ravel(), extra_corner]))
    return np.block([[chains[np.ix_(free, free)], coupling[free]], [coupling[free].T, corner]]), free


@pytest.mark.parametrize("alike", [True, False])
def test_the_system_is_that_of_the_whole_matrix(alike):
    generator = np.random.default_rng(0)
    parts = system(generator, alike)
    matrix, free = dense(*parts)
    node, link, fixed, columns, corner, extra, extra_corner = parts
    b, c = generator.normal(size=(H, N)), generator.normal(size=H * P + J)
    solver = ChainSystem(Columns(columns), node, link, fixed, corner, extra, extra_corner)
    assert solver.solvable
    w, x = solver.solve(b, c, refine=True)
    expected = np.linalg.solve(matrix, np.concatenate([b.ravel()[free], c]))
    assert_allclose(w.ravel()[free], expected[: free.sum()], rtol=1e-7, atol=1e-10)
    assert_allclose(x, expected[free.sum() :], rtol=1e-7, atol=1e-10)
    assert (w[fixed] == 0).all()


def test_links_of_any_strength_keep_their_digits():
    # With links that hold for ever, an asset has one value in all periods: the sum of forces over that of nodes.
    node, link = np.full((H, 1), 0.25), np.full((H, 1), 1e18)
    link[0] = 1e-18
    none = np.zeros((0, H, 1))
    solver = ChainSystem(Columns(np.zeros((0, 1))), node, link, node < 0, np.zeros((H, 0)), none, np.zeros(0))
    w, _ = solver.solve(np.arange(1.0, H + 1)[:, None], np.zeros(0), refine=False)
    assert_allclose(w, np.full((H, 1), 10.0), rtol=1e-12)


def test_moves_and_their_transpose():
    generator = np.random.default_rng(1)
    path, other = generator.normal(size=(2, H, N))
    assert_allclose((moves(path) * other).sum(), (path * moves_back(other)).sum())
    start = generator.normal(size=N)
    assert_allclose(moves(path, start).sum(axis=0), path[-1] - start)
