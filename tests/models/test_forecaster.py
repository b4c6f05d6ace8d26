from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.errors import DataError, InputError
from quantray.features.feature_set import Features, feature_set
from quantray.features.labels import forward_returns, standardised_labels
from quantray.models.forecaster import FitContext, Scores, features_of, fold_data
from quantray.models.learned import NetworkForecaster
from quantray.models.linear import Ridge


def data_of(study, **changes):
    return fold_data(study.panel, replace(study.fold, **changes), FitContext(features=study.features))


def test_nothing_after_the_last_label_of_validation_is_left(study):
    data, rows = data_of(study), study.fold.rows(study.panel.dates)
    assert len(data.panel.dates) == len(data.features.dates) == len(data.labels) == rows.valid.stop + 2
    assert data.panel.dates[-1] < study.panel.dates[rows.test.start]
    assert (data.train, data.valid) == (rows.train, rows.valid)


def test_labels_stand_in_training_and_validation_alone(study):
    data, rows = data_of(study), study.fold.rows(study.panel.dates)
    used = np.zeros(len(data.labels), dtype=bool)
    used[rows.train] = used[rows.valid] = True
    assert np.isnan(data.labels[~used]).all()
    assert np.isnan(data.labels[~data.member]).all()
    columns = np.searchsorted(study.panel.assets, data.panel.assets)
    returns = forward_returns(study.panel.field("close")[:, columns], horizon=1, lag=1)
    wanted = standardised_labels(returns, (study.panel.member & study.features.present)[:, columns])
    for row in (rows.train.start, rows.train.stop - 1, rows.valid.start, rows.valid.stop - 1):
        assert_array_equal(data.labels[row], wanted[row])
        assert (~np.isnan(data.labels[row])).sum() > 25


def test_names_are_the_members_of_training_and_validation(study):
    data = data_of(study)
    left = sorted(set(study.panel.assets) - set(data.panel.assets))
    # Listed later, or a member later or never.
    assert left == ["S01", "S02", "S10", "S12"]
    assert_array_equal(data.features.assets, data.panel.assets)
    assert not data.member[:, data.panel.assets.tolist().index("S03")][200:].any()


def test_longer_horizons_read_on_to_their_last_label(study):
    dates = study.panel.dates
    rows = study.fold.rows(dates)
    later = replace(study.fold.test, first=dates[rows.test.start + 10])
    data = data_of(
        study, horizon=5, purge=6, valid=replace(study.fold.valid, first=dates[rows.valid.start + 10]), test=later
    )
    assert data.panel.dates[-1] == dates[rows.valid.stop - 1 + 6]


def test_without_validation(study):
    data = data_of(study, valid=None)
    assert data.valid is None
    assert len(data.panel.dates) == study.fold.rows(study.panel.dates).train.stop + 2


def test_folds_without_labels_or_members_are_refused(study):
    with pytest.raises(InputError, match="the fold has horizon 0, so there are no labels"):
        data_of(study, horizon=0)
    nobody = replace(study, panel=study.panel.with_member(np.zeros(study.panel.shape, dtype=bool)))
    with pytest.raises(DataError, match="no asset is a member between"):
        data_of(nobody)
    for away, part in ((slice(150, 260), study.fold.train), (slice(232, 254), study.fold.valid)):
        closes = study.panel.field("close").copy()
        closes[away] = np.nan
        silent = study.panel.with_fields(close=closes)
        with pytest.raises(DataError, match=f"no label is known in {part}"):
            fold_data(silent, study.fold, FitContext(features=feature_set(silent, names=["return_1"])))


def test_features_are_given_or_computed(study):
    assert features_of(study.panel, FitContext(features=study.features)) is study.features
    computed = features_of(study.panel, FitContext())
    assert "return_1" in computed.names
    sectors = dict.fromkeys(study.panel.assets.tolist(), "one")
    assert "sector_relative_5" in features_of(study.panel, FitContext(sectors=sectors)).names
    other = study.panel.select(study.panel.assets[::-1])
    with pytest.raises(InputError, match="the features given are of another panel"):
        features_of(other, FitContext(features=study.features))


def moved(features, column, rows):
    """The features with one column taken from some days later, or earlier."""
    values = features.values.copy()
    values[:, :, column] = np.roll(values[:, :, column], -rows, axis=0)
    return replace(features, values=values)


def learned_ahead(features):
    """The features with one column on the scale of all days, later ones among them."""
    values = features.values.copy()
    values[..., 2] -= np.nanmean(values[..., 2])
    return replace(features, values=values)


@pytest.mark.parametrize("forecaster", [Ridge(), NetworkForecaster(name="n", attention="none")], ids=lambda f: f.name)
@pytest.mark.parametrize(
    ("ahead", "column"),
    [
        (lambda features: moved(features, 0, 1), "return_1"),
        (lambda features: moved(features, 1, 5), "return_5"),
        (lambda features: moved(features, 4, -1), "volume_surprise_21"),
        (learned_ahead, "volatility_21"),
        (lambda features: replace(features, lookback=3), "return_5"),
    ],
    ids=["tomorrow", "in a week", "yesterday", "over all days", "understated look-back"],
)
def test_features_that_the_days_up_to_theirs_do_not_give_are_refused(study, forecaster, ahead, column):
    context = FitContext(features=ahead(study.features))
    with pytest.raises(InputError, match=f"^{column} of S.* the features given look ahead, further back than they say"):
        forecaster.fit(study.panel, study.fold, context=context)


def test_features_of_other_data_are_refused(study):
    closes = study.panel.field("close") * np.linspace(0.9, 1.1, 380)[:, None]
    other = study.panel.with_fields(close=closes)
    with pytest.raises(InputError, match="the features given look ahead, .* or are of other data or sectors"):
        fold_data(other, study.fold, FitContext(features=study.features))
    names = study.panel.assets.tolist()
    halves = {name: ("one", "two")[place % 2] for place, name in enumerate(names)}
    of_sectors = feature_set(study.panel, sectors=halves, names=["sector_relative_5"])
    assert fold_data(study.panel, study.fold, FitContext(features=of_sectors, sectors=halves)).features.names
    turned = dict.fromkeys(names, "one")
    with pytest.raises(InputError, match="^sector_relative_5 of "):
        fold_data(study.panel, study.fold, FitContext(features=of_sectors, sectors=turned))
    with pytest.raises(InputError, match="are of another schema than feature_set makes of their names"):
        fold_data(study.panel, study.fold, FitContext(features=replace(study.features, schema="older")))


@pytest.mark.parametrize("scaling", ["rank", "zscore"])
def test_features_of_the_catalogue_are_taken_on_either_scale(study, scaling):
    given = feature_set(study.panel, names=["return_5", "beta_252"], scaling=scaling)
    assert fold_data(study.panel, study.fold, FitContext(features=given)).features.schema == given.schema


def test_predictions_refuse_features_that_look_ahead(study):
    fitted = Ridge().fit(study.panel, study.fold, context=FitContext(features=study.features))
    dates = study.panel.dates[study.fold.rows(study.panel.dates).test][:5]
    fitted.predict(study.panel, dates, features=study.features)
    with pytest.raises(InputError, match="^return_1 of S.* the features given look ahead"):
        fitted.predict(study.panel, dates, features=moved(study.features, 0, 1))


def test_columns_of_ones_own_say_how_they_are_made(study):
    """The log of the money traded, made by a function of a panel; and that of tomorrow, which no panel has today."""

    def made(panel, ahead=0):
        money = np.log(panel.field("close") * panel.field("volume"))
        values = np.roll(money, -ahead, axis=0)
        if ahead:
            values[-ahead:] = np.nan
        known = ~np.isnan(panel.field("close"))
        return Features(
            panel.dates, panel.assets, ("money",), values[..., None].astype(np.float32), known, 0, "my own, first kind"
        )

    def fitted(features, remake):
        context = FitContext(features=features, remake=remake)
        return Ridge().fit(study.panel, study.fold, context=context)

    with pytest.raises(
        InputError, match="'money' is not of the catalogue, so nothing shows that it does not look ahead"
    ):
        fitted(made(study.panel), None)
    assert np.isfinite(fitted(made(study.panel), made).coefficients).all()
    for remake in (made, lambda panel: made(panel, 1)):
        with pytest.raises(InputError, match="^money of S.* the features given look ahead"):
            fitted(made(study.panel, 1), remake)
    with pytest.raises(InputError, match="remake makes money where the features given are other ones"):
        fitted(study.features, made)


def test_scores_of_the_wrong_shape_are_refused():
    dates = np.array(["2024-01-02"], dtype="datetime64[D]")
    with pytest.raises(InputError, match=r"scores are \(2, 1\) for 1 dates, 2 assets"):
        Scores(dates, np.array(["A", "B"]), np.zeros((2, 1)))


def test_labels_hold_what_was_paid_for_the_delisted(study):
    """A name whose last close is in training: the labels of the days before it fall, and none after the cut is read."""
    rows, name = study.fold.rows(study.panel.dates), study.panel.assets.tolist().index("S20")
    last = rows.train.stop - 10
    close, delist = study.panel.field("close").copy(), np.full(study.panel.shape, np.nan)
    close[last + 1 :, name] = np.nan
    gone = study.panel.with_fields(close=close).with_member(study.panel.member & ~np.isnan(close))
    delist[last, name] = -0.9
    context = FitContext(features=feature_set(gone, names=study.features.names))
    plain, told = (fold_data(panel, study.fold, context) for panel in (gone, gone.with_fields(delist_return=delist)))
    column = plain.panel.assets.tolist().index("S20")
    lower = np.flatnonzero(told.labels[:, column] < plain.labels[:, column] - 1)
    # The label of a day reaches from the next close to the one after it.
    assert_array_equal(lower, [last - 1])
    assert_array_equal(told.labels[: last - 1], plain.labels[: last - 1])
