import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from quantray.covariance.factor import FactorModel, risk_tree
from quantray.errors import InputError


def random_model(n_assets=30, n_factors=4, seed=0):
    generator = np.random.default_rng(seed)
    root = generator.normal(size=(n_factors, n_factors)) * 0.01
    names = np.array(["market", "sector: A", "sector: B", "style: size", *[f"style: {k}" for k in range(20)]])
    return FactorModel(
        generator.normal(size=(n_assets, n_factors)),
        root @ root.T,
        generator.uniform(1e-5, 4e-4, n_assets),
        names[:n_factors],
    )


@pytest.fixture(params=[(30, 4), (1, 1), (5, 12)], ids=str)
def model(request):
    return random_model(*request.param)


@pytest.fixture
def weights(model):
    return np.random.default_rng(1).normal(0, 0.2, model.n_assets)


def test_by_hand():
    model = FactorModel(np.array([[1.0], [2.0]]), np.array([[0.04]]), np.array([0.01, 0.02]))
    assert_allclose(model.dense(), [[0.05, 0.08], [0.08, 0.18]])
    assert_allclose(model.variances, [0.05, 0.18])
    assert model.variance(np.array([0.5, 0.5])) == pytest.approx(0.25 * (0.05 + 0.18 + 2 * 0.08))
    assert model.factor_names.tolist() == ["factor 1"]
    assert (model.n_assets, model.n_factors) == (2, 1)


def test_factor_form_equals_dense_form(model, weights):
    dense = model.dense()
    np.testing.assert_array_equal(dense, dense.T)
    assert_allclose(model.apply(weights), dense @ weights, rtol=1e-10, atol=1e-16)
    many = np.random.default_rng(2).normal(size=(model.n_assets, 3))
    assert_allclose(model.apply(many), dense @ many, rtol=1e-10, atol=1e-16)
    assert model.variance(weights) == pytest.approx(weights @ dense @ weights, rel=1e-10)
    assert_allclose(model.variances, np.diagonal(dense), rtol=1e-10)
    assert_allclose(model.root @ model.root.T + np.diag(model.specific_variance), dense, atol=1e-16)


def test_selecting_assets_selects_rows_of_the_dense_form():
    model = random_model()
    keep = np.array([4, 2, 20])
    assert_allclose(model.select(keep).dense(), model.dense()[np.ix_(keep, keep)], rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"loadings": np.ones(3)}, r"loadings \(3,\).* do not fit; they must be \(N, K\)"),
        ({"specific_variance": np.ones(2)}, r"specific variance \(2,\) do not fit"),
        ({"loadings": np.full((3, 1), np.nan)}, "loadings holds NaN or infinite values; leave out assets"),
        ({"specific_variance": np.array([1.0, -1.0, -2.0])}, "2 specific variances are negative"),
        ({"factor_covariance": np.array([[-1.0]])}, "eigenvalue of -1; repair it with estimators.nearest_psd"),
        (
            {"loadings": np.ones((3, 2)), "factor_covariance": np.array([[1.0, 0.5], [0.0, 1.0]])},
            "factor covariance is not symmetric",
        ),
    ],
    ids=["vector", "length", "nan", "negative", "indefinite", "asymmetric"],
)
def test_models_that_cannot_be(change, text):
    parts = {"loadings": np.ones((3, 1)), "factor_covariance": np.eye(1), "specific_variance": np.ones(3)}
    with pytest.raises(InputError, match=text):
        FactorModel(**(parts | change))


def test_tree_by_hand():
    model = FactorModel(
        np.array([[1.0, 1.0], [1.0, -1.0]]),
        np.diag([0.04, 0.01]),
        np.array([0.02, 0.02]),
        np.array(["market", "style: size"]),
    )
    tree = risk_tree(model, np.array([0.75, 0.25]))
    # Exposures 1 and .5; specific .02 (.5625 + .0625).
    assert_allclose(tree.exposures, [1, 0.5])
    assert_allclose(tree.by_factor, [0.04, 0.0025])
    assert tree.specific_variance == pytest.approx(0.0125)
    assert tree.variance == pytest.approx(0.055)
    assert tree.groups == ("market", "style")
    assert tree.text(periods_per_year=1).splitlines() == [
        "Total risk: 23.5%",
        "├─ Factor risk: 18.1% (77%)",
        "│  ├─ Market: 17.1% (73%)",
        "│  └─ Style: 1.1% (5%)",
        "└─ Specific risk: 5.3% (23%)",
    ]


def test_parts_sum_to_the_total(model, weights):
    tree = risk_tree(model, weights)
    assert tree.variance == pytest.approx(model.variance(weights), rel=1e-12)
    assert tree.by_factor.sum() == pytest.approx(tree.factor_variance, rel=1e-10)
    assert tree.group_variance.sum() == pytest.approx(tree.factor_variance, rel=1e-10)
    assert tree.by_asset.sum() == pytest.approx(tree.variance, rel=1e-10)
    assert tree.marginal @ weights == pytest.approx(tree.volatility, rel=1e-10)


def test_marginal_is_the_derivative():
    model = random_model()
    weights = np.random.default_rng(3).normal(0, 0.1, 30)
    step = 1e-6
    for asset in (0, 7):
        moved = weights.copy()
        moved[asset] += step
        slope = (np.sqrt(model.variance(moved)) - np.sqrt(model.variance(weights))) / step
        assert risk_tree(model, weights).marginal[asset] == pytest.approx(slope, rel=1e-3)


def test_groups_can_be_given():
    model = random_model()
    tree = risk_tree(model, np.full(30, 1 / 30), groups=["a", "b", "a", "b"])
    assert tree.groups == ("a", "b")
    assert_allclose(tree.group_variance, [tree.by_factor[[0, 2]].sum(), tree.by_factor[[1, 3]].sum()])
    assert risk_tree(model, np.full(30, 1 / 30)).groups == ("market", "sector", "style")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.sampled_from([1e-3, 1.0, 50.0]))
def test_scaling_and_permuting(seed, scale):
    model = random_model(8, 3, seed)
    weights = np.random.default_rng(seed).normal(size=8)
    tree, scaled = risk_tree(model, weights), risk_tree(model, scale * weights)
    assert scaled.variance == pytest.approx(scale**2 * tree.variance, rel=1e-10)
    assert_allclose(scaled.marginal, tree.marginal, rtol=1e-8)
    order = np.random.default_rng(seed).permutation(8)
    assert_allclose(risk_tree(model.select(order), weights[order]).by_asset, tree.by_asset[order], rtol=1e-9)


def test_nothing_held_has_no_risk():
    tree = risk_tree(random_model(), np.zeros(30))
    assert tree.variance == 0
    assert_allclose(tree.marginal, 0)
    assert tree.text().startswith("Total risk: 0.0%")


@pytest.mark.parametrize("weights", [np.ones(4), np.full(30, np.nan)])
def test_weights_that_do_not_fit(weights):
    with pytest.raises(InputError, match="must be finite, one for each of the 30 assets"):
        risk_tree(random_model(), weights)


def test_groups_that_do_not_fit():
    with pytest.raises(InputError, match="3 groups for 4 factors; give each factor one"):
        risk_tree(random_model(), np.ones(30), groups=["a", "b", "c"])
