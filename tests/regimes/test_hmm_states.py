import numpy as np
import pytest

from quantray.regimes.hmm_states import StudentHmm


def model(tails, *, learns_tails=True, rounds=30):
    made = StudentHmm(
        tails, learns_tails=learns_tails, n_components=2, covariance_type="full", n_iter=rounds, tol=-np.inf,
        covars_prior=0.0, init_params="",
    )  # fmt: skip
    made.startprob_, made.transmat_ = np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.1, 0.9]])
    made.means_, made.covars_ = np.array([[-1.0, 0.0], [1.0, 0.0]]), np.tile(np.eye(2), (2, 1, 1))
    return made


def rows(tails, *, seed):
    """Two states 3 apart, of correlated columns that share the width of each row."""
    generator = np.random.default_rng(seed)
    truth = (np.arange(4000) // 50) % 2
    width = np.sqrt(tails / generator.chisquare(tails, 4000)) if np.isfinite(tails) else np.ones(4000)
    drawn = generator.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 4000) * width[:, None]
    return drawn + np.column_stack([3.0 * truth - 1.5, np.zeros(4000)])


@pytest.mark.parametrize("tails", [3, 5, 8])
def test_tails_and_scales_that_made_the_rows_are_found(tails):
    fit = model(8.0).fit(rows(tails, seed=tails))
    assert 0.7 * tails <= fit.tails_ <= 1.5 * tails
    np.testing.assert_allclose(fit.means_[:, 0], [-1.5, 1.5], atol=0.1)
    np.testing.assert_allclose(fit.covars_[0], [[1, 0.5], [0.5, 1]], atol=0.15)


def test_gaussian_rows_have_no_tails():
    assert model(8.0).fit(rows(np.inf, seed=0)).tails_ >= 50


@pytest.mark.parametrize("learns", [True, False])
def test_every_round_is_likelier_than_the_one_before(learns):
    fit = model(4.0, learns_tails=learns).fit(rows(5, seed=1))
    assert (np.diff(list(fit.monitor_.history)) > -1e-6).all()
