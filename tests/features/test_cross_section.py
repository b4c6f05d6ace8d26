import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import rankdata

from quantray.errors import InputError
from quantray.features.cross_section import (
    demeaned,
    member_means,
    ranks,
    robust_zscores,
    sector_demeaned,
    standardised,
)

NAN = np.nan
ALL = [ranks, robust_zscores, standardised, demeaned]


def cross_section(seed=0, shape=(30, 40)):
    generator = np.random.default_rng(seed)
    values = np.round(generator.standard_t(3, shape), 1)
    values[generator.random(shape) < 0.2] = NAN
    return values, generator.random(shape) < 0.7


def row(*values):
    return np.array([values], dtype=np.float64)


def test_ranks_by_hand():
    member = row(1, 1, 1, 1, 0, 0, 0) > 0
    values = row(3, 1, 3, NAN, 2, 9, 1)
    # Members 1, 3, 3: places 0, 1.5, 1.5 of 2. Outside: 2 lies between, 9 above all, 1 ties with the lowest.
    assert_allclose(ranks(values, member), row(0.25, -0.5, 0.25, NAN, -0.25, 0.5, -0.5))


def test_ranks_equal_scipy():
    values, member = cross_section()
    ours = ranks(values, member)
    for t in range(len(values)):
        chosen = member[t] & ~np.isnan(values[t])
        expected = (rankdata(values[t, chosen]) - 1) / (chosen.sum() - 1) - 0.5
        assert_allclose(ours[t, chosen], expected, atol=1e-15)


def test_outsiders_rank_between_their_neighbours():
    values, member = cross_section(4)
    ours = ranks(values, member)
    for t in range(len(values)):
        inside = np.sort(values[t, member[t] & ~np.isnan(values[t])])
        for n in np.flatnonzero(~member[t] & ~np.isnan(values[t])):
            below, through = np.searchsorted(inside, values[t, n]), np.searchsorted(inside, values[t, n], "right")
            expected = (below + through - 1) / 2 / (len(inside) - 1) - 0.5
            assert_allclose(ours[t, n], np.clip(expected, -0.5, 0.5), atol=1e-15)


def test_robust_zscores_by_hand():
    # Median 3, deviations 2, 1, 0, 1, 97: their median is 1.
    scores = robust_zscores(row(1, 2, 3, 4, 100), row(1, 1, 1, 1, 1) > 0)
    assert_allclose(scores, np.clip(row(-2, -1, 0, 1, 97) / 1.4826, -4, 4))
    assert_allclose(robust_zscores(row(0, 2, 5), row(1, 1, 0) > 0, clip=9), row(-1, 1, 4) / 1.4826)


def test_robust_zscores_where_most_members_are_equal():
    # Mean absolute deviation 5 / 5 = 1.
    scores = robust_zscores(row(7, 7, 7, 7, 12), row(1, 1, 1, 1, 1) > 0, clip=10)
    assert_allclose(scores, row(0, 0, 0, 0, 5 / 1.2533))
    assert_array_equal(robust_zscores(row(7, 7, NAN), row(1, 1, 1) > 0), row(0, 0, NAN))


def test_standardised_has_mean_zero_and_deviation_one():
    values, member = cross_section(1)
    scaled = np.where(member, standardised(values, member), NAN)
    assert_allclose(np.nanmean(scaled, axis=1), 0, atol=1e-14)
    assert_allclose(np.nanstd(scaled, axis=1), 1)
    assert_array_equal(standardised(row(2, 2, 5), row(1, 1, 0) > 0), row(0, 0, 0))


def test_means_by_hand():
    member = row(1, 1, 0, 1) > 0
    assert_array_equal(member_means(row(1, 3, 50, NAN), member), [2])
    assert_array_equal(demeaned(row(1, 3, 50, NAN), member), row(-1, 1, 48, NAN))


def test_sector_demeaned_by_hand():
    sectors = np.array([4, 0, 4, -1, 0, 7])
    member = row(1, 1, 1, 1, 0, 0) > 0
    assert_array_equal(sector_demeaned(row(1, 10, 3, 5, 12, 6), member, sectors), row(-1, 0, 1, NAN, 2, NAN))
    assert np.isnan(sector_demeaned(row(1, 2, 3, 4, 5, 6), member, np.full(6, -1))).all()


def sector_of_row(values, member):
    return sector_demeaned(values, member, np.arange(values.shape[1]) % 3)


@pytest.mark.parametrize("scale", [*ALL, sector_of_row])
def test_laws(scale):
    values, member = cross_section(2)
    scaled = scale(values, member)
    assert_array_equal(np.isnan(scaled), np.isnan(values))
    for t in (0, 17):
        assert_array_equal(scale(values[t : t + 1], member[t : t + 1])[0], scaled[t])
    outsiders = np.where(member, values, 1e6)
    assert_array_equal(scale(outsiders, member)[member], scaled[member])


@pytest.mark.parametrize("scale", ALL)
def test_permuting_assets_permutes(scale):
    values, member = cross_section(3)
    order = np.random.default_rng(0).permutation(values.shape[1])
    assert_allclose(scale(values[:, order], member[:, order]), scale(values, member)[:, order], atol=1e-12)


@pytest.mark.parametrize("scale", ALL)
def test_dates_without_members(scale):
    assert np.isnan(scale(row(1, 2, NAN), row(0, 0, 1) > 0)).all()
    assert scale(np.zeros((0, 3)), np.zeros((0, 3), dtype=bool)).shape == (0, 3)


def test_one_member_is_the_middle():
    member = row(0, 1, 0) > 0
    assert_array_equal(ranks(row(1, 2, 3), member), row(0, 0, 0))
    assert_array_equal(robust_zscores(row(1, 2, 3), member), row(0, 0, 0))


def test_refusals():
    with pytest.raises(InputError, match=r"values are \(2, 3\) and membership \(3, 3\)"):
        ranks(np.zeros((2, 3)), np.ones((3, 3), dtype=bool))
    with pytest.raises(InputError, match="clip 0 must be a positive number"):
        robust_zscores(np.zeros((2, 3)), np.ones((2, 3), dtype=bool), clip=0)
    with pytest.raises(InputError, match="codes count from 0, or -1"):
        sector_demeaned(np.zeros((2, 3)), np.ones((2, 3), dtype=bool), np.array([0, -2, 1]))


def test_equal_values_whose_mean_is_rounded_are_still_equal():
    assert_array_equal(standardised(np.full((1, 7), 0.1), np.ones((1, 7), dtype=bool)), np.zeros((1, 7)))
