from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from quantray.data.panel import Panel
from quantray.data.splits import DateRange
from quantray.errors import DataError, InputError
from quantray.features.feature_set import feature_set
from quantray.models.checkpoint import load_checkpoint
from quantray.models.fitted import FittedNetwork, validation_ic
from quantray.models.forecaster import FitContext
from quantray.models.learned import NetworkForecaster, warm_settings
from quantray.models.networks import ATTENTIONS
from quantray.models.scoring import TimeReading
from quantray.models.structures import GraphSettings
from quantray.models.training import TrainingSettings

CHUNKS, WINDOWS = TimeReading(steps=20, warm_up=30), TimeReading(mode="windows", steps=8)
EITHER = pytest.mark.parametrize("reading", [CHUNKS, WINDOWS], ids=["chunks", "windows"])


class GoneError(Exception):
    """Stands for a machine that goes away."""


def forecaster_of(attention="neighbours", reading=CHUNKS, **changes):
    training = {"reading": reading, "epochs": 2, "patience": 2, "batch": 4, "learning_rate": 0.01}
    training |= changes.pop("training", {})
    shape = {"width": 8, "layers": 1, "heads": 2, "graph": GraphSettings(k=4, cap=6, window=120)}
    return NetworkForecaster(
        name="network", attention=attention, training=TrainingSettings(**training), **(shape | changes)
    )


def context_of(study, **settings):
    return FitContext(features=study.features, seed=1, **settings)


@pytest.fixture(scope="module")
def fits(study):
    """One fit of each attention in chunks, and one in windows."""
    kinds = {kind: forecaster_of(kind) for kind in ATTENTIONS}
    kinds["windows"] = forecaster_of(reading=WINDOWS)
    return {kind: f.fit(study.panel, study.fold, context=context_of(study)) for kind, f in kinds.items()}


EVERY_FIT = pytest.mark.parametrize("kind", [*ATTENTIONS, "windows"])


def days_of(study):
    return study.panel.dates[study.fold.rows(study.panel.dates).test]


def plain(fit):
    """The fit with a context that holds no features, as a day's run would load it."""
    return replace(fit, context=FitContext())


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


@EVERY_FIT
def test_validation_is_measured_again_as_training_measured_it(study, fits, kind):
    assert validation_ic(fits[kind], study.panel, study.fold) == pytest.approx(
        fits[kind].checkpoint.progress.best_ic, abs=1e-6
    )


def test_validation_on_other_features_is_refused(study, fits):
    with pytest.raises(InputError, match="the network was trained on other features"):
        validation_ic(plain(fits["none"]), study.panel, study.fold)


@EVERY_FIT
def test_scores_are_of_the_members(study, fits, kind):
    dates = days_of(study)
    scores = fits[kind].predict(study.panel, dates)
    rows = study.fold.rows(study.panel.dates).test
    assert_array_equal(scores.dates, dates)
    assert_array_equal(scores.assets, study.panel.assets)
    wanted = study.panel.member[rows] & study.features.present[rows]
    assert_array_equal(np.isnan(scores.values), ~wanted)
    assert (np.nanstd(scores.values, axis=1) > 0).all()


@EVERY_FIT
def test_predictions_know_nothing_later(study, fits, kind):
    dates = days_of(study)
    whole = fits[kind].predict(study.panel, dates).values
    for day in (0, 61, 62, 79):  # the first day of a quarter and the one before among them
        until = plain(fits[kind]).predict(study.panel.until(dates[day]), dates[day : day + 1])
        cut = plain(fits[kind]).predict(study.panel.until(dates[day]), dates[: day + 1])
        assert_allclose(cut.values, whole[: day + 1], rtol=0, atol=1e-6)
        # From 30 days of warm-up instead of all days since the first one.
        tolerance = 1e-6 if kind == "windows" or day == 0 else 0.1
        assert_allclose(until.values[0], whole[day], rtol=0, atol=tolerance)


@EVERY_FIT
def test_day_by_day_equals_one_go(study, fits, kind):
    dates = days_of(study)
    whole = fits[kind].predict(study.panel, dates)
    state, rows, graphs = None, [], set()
    for date in dates:
        scores = plain(fits[kind]).predict(study.panel.until(date), np.array([date]), state=state)
        state = scores.state
        rows.append(scores.values[0])
        if state.graph is not None:
            graphs.add(state.graph.quarter)
    assert_allclose(np.array(rows), whole.values, rtol=0, atol=1e-5)
    assert len(graphs) == (2 if kind in ("neighbours", "hierarchical", "windows") else 0)
    if state.lstm is not None:
        assert_allclose(state.lstm.hidden.numpy(), whole.state.lstm.hidden.numpy(), rtol=0, atol=1e-5)
    assert state.date == whole.state.date == dates[-1]


def test_the_state_of_the_fit_goes_on(study, fits):
    fit = fits["neighbours"]
    assert fit.checkpoint.state.date == fit.data_through
    rows = study.panel.row(fit.data_through) + 1
    dates = study.panel.dates[rows : rows + 5]
    on = fit.predict(study.panel, dates, state=fit.checkpoint.state)
    cold = fit.predict(study.panel, dates)
    assert_array_equal(np.isnan(on.values), np.isnan(cold.values))
    # It has been carried through all of training and not through 30 days alone.
    known = ~np.isnan(on.values)
    assert np.corrcoef(on.values[known], cold.values[known])[0, 1] > 0.98


def test_a_few_rows_are_enough_to_go_on(study, fits):
    # The graph of the quarter and the LSTM are in the state; features look back 21 rows.
    dates = days_of(study)[:6]
    first = plain(fits["neighbours"]).predict(study.panel.until(dates[4]), dates[:5])
    near = study.panel.between(study.panel.dates[study.panel.row(dates[5]) - 40], dates[5])
    scores = plain(fits["neighbours"]).predict(near, dates[5:], state=first.state)
    assert_allclose(scores.values, fits["neighbours"].predict(study.panel, dates).values[5:], rtol=0, atol=1e-6)


def test_assets_may_come_and_go_with_a_state(study, fits):
    dates = days_of(study)
    start = plain(fits["neighbours"]).predict(study.panel, dates[:40])
    names = [name for i, name in enumerate(study.panel.assets.tolist()) if i not in (3, 4)]
    before = study.panel.select(names[5:]), study.panel.select(names[5:][::-1])
    few = [plain(fits["neighbours"]).predict(panel, dates[:40]) for panel in before]
    assert_allclose(few[1].values[:, ::-1], few[0].values, rtol=0, atol=1e-5)
    # A name without a state begins with an empty one and is scored.
    more = plain(fits["neighbours"]).predict(study.panel, dates[40:42], state=few[0].state)
    there = study.panel.member[294:296] & study.features.present[294:296]
    assert_array_equal(np.isnan(more.values), ~there)
    assert start.state.lstm.hidden.shape[1] == len(study.panel.assets)


@pytest.mark.parametrize("kind", ["none", "neighbours", "hierarchical", "complete"])
@EITHER
def test_fits_know_nothing_after_the_last_label_of_validation(study, kind, reading):
    forecaster = forecaster_of(kind, reading)
    seen = study.fold.rows(study.panel.dates).valid.stop - 1 + study.fold.horizon + study.fold.lag
    generator = np.random.default_rng(4)

    def moved(values):
        out = values.copy()
        out[seen + 1 :] *= np.exp(generator.normal(size=out[seen + 1 :].shape))
        return out

    other = study.panel.with_fields(**{name: moved(values) for name, values in study.panel.fields.items()})
    other = other.with_member(np.where(np.arange(len(other.dates))[:, None] > seen, True, other.member))
    fits = [
        forecaster.fit(
            panel, study.fold, context=FitContext(features=feature_set(panel, names=study.features.names), seed=1)
        )
        for panel in (study.panel, other)
    ]
    assert_same(fits[0].network.state_dict(), fits[1].network.state_dict())
    assert fits[0].data_through == study.panel.dates[seen]
    assert fits[0].checkpoint.data == fits[1].checkpoint.data
    assert_array_equal(fits[0].checkpoint.state.assets, fits[1].checkpoint.state.assets)


@EITHER
def test_inputs_are_scaled_by_what_training_days_say(study, reading):
    """Means and deviations over the members of the training rows, 150 to 229; earlier and later ones count nothing."""
    # Names that trade without being members for a part of training.
    member = study.panel.member.copy()
    member[150:200, 20:30] = False
    panel, rows = study.panel.with_member(member), study.fold.rows(study.panel.dates).train
    features = feature_set(panel, names=study.features.names)
    forecaster = forecaster_of("none", reading, training={"epochs": 1})
    fit = forecaster.fit(panel, study.fold, context=FitContext(features=features))
    assert (rows.start, rows.stop) == (150, 230)
    known = features.values[rows][panel.member[rows] & features.present[rows]].astype(np.float64)
    assert_allclose(fit.checkpoint.normaliser.mean, np.nanmean(known, axis=0), rtol=1e-6)
    assert_allclose(fit.checkpoint.normaliser.scale, np.nanstd(known, axis=0), rtol=1e-6)


def validation_by_hand(study, fit, panel):
    """Mean daily coefficient of a fit's scores on the validation dates, from what follows them."""
    dates = study.panel.dates[study.fold.rows(study.panel.dates).valid]
    early = replace(fit, checkpoint=replace(fit.checkpoint, data_through=study.fold.train.last))
    scores = early.predict(panel, dates, features=study.features).values
    close, first = panel.field("close"), panel.row(dates[0])
    daily = []
    for row, given in enumerate(scores, first):
        returns = close[row + 2] / close[row + 1] - 1
        known = ~np.isnan(given) & ~np.isnan(returns)
        daily.append(np.corrcoef(given[known], returns[known])[0, 1])
    return np.mean(daily)


@pytest.mark.parametrize("shuffled", [False, True], ids=["straight", "shuffled"])
@EITHER
def test_validation_is_measured_on_its_own_days(study, reading, shuffled):
    """The figure of the epoch that is kept is what its weights say of the validation dates and their true labels."""
    forecaster = forecaster_of(
        "none", reading, shuffled_labels=shuffled, training={"epochs": 4, "patience": 4, "learning_rate": 0.1}
    )
    fit = forecaster.fit(study.panel, study.fold, context=context_of(study))
    reports = fit.checkpoint.progress.history
    assert validation_by_hand(study, fit, study.panel) == pytest.approx(fit.checkpoint.progress.best_ic, abs=0.01)
    assert fit.checkpoint.progress.best_ic == max(report.valid_ic for report in reports)
    assert len({report.valid_ic for report in reports}) == 4


def test_what_follows_training_chooses_and_does_not_teach(study):
    """Other returns on the days of validation alone: the same losses and weights of an epoch, another figure."""
    closes = study.panel.field("close").copy()
    # Labels of training reach row 231.
    closes[232:254] *= np.exp(np.random.default_rng(3).normal(0, 0.05, closes[232:254].shape))
    other = study.panel.with_fields(close=closes)
    forecaster = forecaster_of("none", training={"epochs": 1})
    one, two = (
        forecaster.fit(panel, study.fold, context=FitContext(features=feature_set(panel, names=study.features.names)))
        for panel in (study.panel, other)
    )
    assert_same(one.network.state_dict(), two.network.state_dict())
    (before,), (after,) = one.checkpoint.progress.history, two.checkpoint.progress.history
    assert before.loss == after.loss
    assert before.valid_ic != pytest.approx(after.valid_ic, abs=0.02)


@EVERY_FIT
def test_permuting_assets_permutes_the_scores(study, fits, kind):
    dates = days_of(study)
    order = np.random.default_rng(5).permutation(len(study.panel.assets))
    moved = study.panel.select(study.panel.assets[order])
    before = plain(fits[kind]).predict(study.panel, dates).values[:, order]
    assert_allclose(plain(fits[kind]).predict(moved, dates).values, before, rtol=0, atol=1e-5)


@EVERY_FIT
def test_names_that_are_never_members_change_nothing(study, fits, kind):
    dates = days_of(study)
    inside = study.panel.member.any(axis=0)
    assert not inside.all()
    without = plain(fits[kind]).predict(study.panel.select(study.panel.assets[inside]), dates)
    assert_allclose(fits[kind].predict(study.panel, dates).values[:, inside], without.values, rtol=0, atol=1e-5)


@EVERY_FIT
def test_a_network_of_few_names_serves_many(fits, kind, large_study):
    dates = days_of(large_study)[:5]
    scores = plain(fits[kind]).predict(large_study.panel, dates)
    assert scores.values.shape == (5, 200)
    there = large_study.panel.member[254:259] & large_study.features.present[254:259]
    assert_array_equal(np.isnan(scores.values), ~there)


def test_features_given_equal_features_computed(study, fits):
    dates = days_of(study)[:3]
    given = plain(fits["none"]).predict(study.panel, dates, features=study.features)
    computed = plain(fits["none"]).predict(study.panel, dates)
    assert_array_equal(given.values, computed.values)


@EITHER
def test_an_interrupted_fit_goes_on_to_the_same_bytes(study, tmp_path, reading):
    training = {"stages": ("encoder", "joint"), "epochs": 3, "batch": 4 if reading is CHUNKS else 16}
    forecaster, said = forecaster_of(reading=reading, dropout=0.2, training=training), []
    forecaster.fit(study.panel, study.fold, context=context_of(study, folder=tmp_path / "whole", say=said.append))
    wanted = (tmp_path / "whole" / "checkpoint.pt").read_bytes()
    assert len(said) == 6
    for epoch in (1, 3, 4):
        folder, heard = tmp_path / f"after {epoch}", []

        def stop(line, heard=heard, epoch=epoch):
            heard.append(line)
            if len(heard) == epoch + 1:
                raise GoneError

        with pytest.raises(GoneError):
            forecaster.fit(study.panel, study.fold, context=context_of(study, folder=folder, say=stop))
        again = []
        forecaster.fit(study.panel, study.fold, context=context_of(study, folder=folder, say=again.append))
        assert again == said[epoch:]
        assert (folder / "checkpoint.pt").read_bytes() == wanted


def test_a_finished_fit_is_read_back(study, tmp_path):
    forecaster = forecaster_of()
    first = forecaster.fit(study.panel, study.fold, context=context_of(study, folder=tmp_path))
    bytes_before = (tmp_path / "checkpoint.pt").read_bytes()
    context = context_of(study, folder=tmp_path, say=lambda line: pytest.fail("trained again"))
    again = forecaster.fit(study.panel, study.fold, context=context)
    assert (tmp_path / "checkpoint.pt").read_bytes() == bytes_before
    loaded = FittedNetwork.load(tmp_path / "checkpoint.pt")
    dates = days_of(study)[:3]
    for other in (again, loaded):
        assert_same(other.network.state_dict(), first.network.state_dict())
        assert_array_equal(other.predict(study.panel, dates).values, first.predict(study.panel, dates).values)
        assert other.data_through == first.data_through


def test_a_folder_of_another_fit_is_refused(study, large_study, tmp_path):
    forecaster = forecaster_of()
    forecaster.fit(study.panel, study.fold, context=context_of(study, folder=tmp_path))
    message = "checkpoint.pt is of another fit, by its settings or data; give each fit a folder of its own"

    def refused(study, forecaster=forecaster, **context):
        with pytest.raises(InputError, match=message):
            forecaster.fit(study.panel, study.fold, context=replace(context_of(study, folder=tmp_path), **context))

    refused(study, replace(forecaster, width=16))
    refused(study, replace(forecaster, graph=GraphSettings(k=5, cap=6, window=120)))
    refused(study, seed=2)
    refused(study, replace(forecaster, shuffled_labels=True))
    refused(replace(study, fold=replace(study.fold, train=DateRange(study.panel.dates[151], study.fold.train.last))))
    refused(large_study)
    closes = study.panel.field("close").copy()
    closes[200] *= np.linspace(0.9, 1.1, 40)
    refused(replace(study, panel=study.panel.with_fields(close=closes)))


def later(study):
    """A fold whose training range begins after what the first fit has seen."""
    dates = study.panel.dates

    def between(first, last):
        return DateRange(dates[first], dates[last])

    return replace(study.fold, train=between(260, 339), valid=between(342, 355), test=between(358, 379))


@EITHER
def test_a_warm_start_begins_with_the_weights_of_before(study, large_study, fits, reading):
    parent = fits["neighbours" if reading is CHUNKS else "windows"]
    warm = forecaster_of(reading=reading)
    warm = replace(warm, training=warm_settings(replace(warm.training, learning_rate=1e-12), epochs=1, patience=1))
    for other in (study, large_study):
        child = warm.fit(other.panel, later(other), init=parent, context=context_of(other))
        for name, tensor in child.network.state_dict().items():
            assert torch.allclose(tensor, parent.network.state_dict()[name], rtol=0, atol=1e-6)
        assert child.checkpoint.parent == parent.checkpoint.identity
        assert_array_equal(child.checkpoint.normaliser.mean, parent.checkpoint.normaliser.mean)
        # A checkpoint serves as well as the fit.
        again = warm.fit(other.panel, later(other), init=parent.checkpoint, context=context_of(other))
        assert_same(again.network.state_dict(), child.network.state_dict())


def test_warm_starts_that_leak_or_do_not_fit_are_refused(study, fits):
    warm, parent = forecaster_of(), fits["neighbours"]

    def refused(message, forecaster=warm, init=parent, fold=None, features=study.features):
        fold = later(study) if fold is None else fold
        with pytest.raises(InputError, match=message):
            forecaster.fit(study.panel, fold, init=init, context=FitContext(features=features, seed=1))

    # The parent's last label lies two days after its validation.
    seen = study.panel.row(parent.data_through)
    dates = study.panel.dates
    early = replace(later(study), train=DateRange(dates[200], dates[seen - 1]))
    refused(
        f"the earlier fit has seen data through {dates[seen]}, after this training ends on {dates[seen - 1]}",
        fold=early,
    )
    refused("the earlier fit has another width", replace(warm, width=16))
    refused("the earlier fit has another heads and attention", replace(warm, heads=4, attention="dense"))
    fewer = feature_set(study.panel, names=study.features.names[1:])
    refused("made on other features", features=fewer)
    turned = feature_set(study.panel, names=study.features.names[::-1])
    refused("made on other features", features=turned)
    just = replace(early, train=DateRange(dates[200], dates[seen]))
    assert warm.fit(study.panel, just, init=parent, context=context_of(study)).checkpoint.parent


def test_predictions_that_cannot_be_are_refused(study, fits):
    fit, dates = fits["neighbours"], days_of(study)
    with pytest.raises(InputError, match="is not after .* up to which the model has seen data"):
        fit.predict(study.panel, study.panel.dates[253:255])
    with pytest.raises(InputError, match="not consecutive rows"):
        fit.predict(study.panel, dates[[0, 2]])
    with pytest.raises(InputError, match="no dates to predict"):
        fit.predict(study.panel, dates[:0])
    state = fit.predict(study.panel, dates[:3]).state
    with pytest.raises(InputError, match=f"the state is of {dates[2]}, but the first date {dates[4]} is not next"):
        fit.predict(study.panel, dates[4:6], state=state)
    near = study.panel.between(study.panel.dates[study.panel.row(dates[3]) - 5], dates[3])
    with pytest.raises(InputError, match="the panel begins 5 rows before .* give 10 or more"):
        plain(fit).predict(near, dates[3:4], state=state)
    with pytest.raises(InputError, match="these features are not those that the network was trained on"):
        fit.predict(study.panel, dates[:1], features=feature_set(study.panel, names=["return_1"]))
    with pytest.raises(InputError, match="features given are of another panel"):
        fit.predict(study.panel.until(dates[3]), dates[:1])
    tomorrow = replace(study.features, values=np.roll(study.features.values, -1, axis=0))
    with pytest.raises(InputError, match=f"^return_1 of S.* on {dates[1]} .* the features given look ahead"):
        fit.predict(study.panel, dates[:2], features=tomorrow)


@pytest.mark.parametrize(("kind", "needed"), [("none", 51), ("windows", 121), ("neighbours", 121)])
def test_panels_that_begin_too_late_are_refused(study, fits, kind, needed):
    # Features look back 21 rows, the LSTM 30 more, and graphs 121 from the first day of a quarter, row 316.
    dates = study.panel.dates
    for missing in (0, 1):
        near = study.panel.between(dates[316 - needed + missing], dates[316])
        if missing:
            with pytest.raises(InputError, match=f"begins {needed - 1} rows before .* look back {needed} rows"):
                plain(fits[kind]).predict(near, dates[316:317])
        else:
            whole = plain(fits[kind]).predict(study.panel.until(dates[316]), dates[316:317])
            scores = plain(fits[kind]).predict(near, dates[316:317])
            assert_allclose(scores.values, whole.values, rtol=0, atol=1e-6)


def test_a_state_needs_rows_for_the_next_quarters_graph(study, fits):
    dates, fit = study.panel.dates, plain(fits["neighbours"])
    state = fit.predict(study.panel, dates[254:315]).state
    near = study.panel.between(dates[315 - 100], dates[317])
    fit.predict(near, dates[315:316], state=state)
    with pytest.raises(InputError, match=f"begins 100 rows before {dates[315]}, whose scores look back 120 rows"):
        fit.predict(near, dates[315:318], state=state)


def test_unfinished_checkpoints_do_not_predict(study, tmp_path):
    def stop(line):
        if "epoch 2" in line:
            raise GoneError

    with pytest.raises(GoneError):
        forecaster_of().fit(study.panel, study.fold, context=context_of(study, folder=tmp_path, say=stop))
    assert load_checkpoint(tmp_path / "checkpoint.pt").progress.epoch == 1
    with pytest.raises(DataError, match="training that has not finished"):
        FittedNetwork.load(tmp_path / "checkpoint.pt")


def test_shuffled_labels_are_dealt_among_the_names_of_a_training_date(study):
    straight, dealt = (
        forecaster_of("none", shuffled_labels=s).fit(study.panel, study.fold, context=context_of(study))
        for s in (False, True)
    )
    assert (straight.network.score.weight != dealt.network.score.weight).any()
    again = forecaster_of("none", shuffled_labels=True).fit(study.panel, study.fold, context=context_of(study))
    assert_same(again.network.state_dict(), dealt.network.state_dict())


def test_epochs_are_reported_in_words_and_figures(study, tmp_path):
    said, reports, stored = [], [], []

    def report(figures):
        reports.append(figures)
        stored.append(load_checkpoint(tmp_path / "checkpoint.pt").progress.history[-1])

    context = context_of(study, say=said.append, report=report, folder=tmp_path)
    forecaster_of().fit(study.panel, study.fold, context=context)
    assert [r.epoch for r in reports] == [1, 2]
    assert stored == reports
    assert "network seed 1" in said[0]
    assert f"joint epoch 1, loss {reports[0].loss:.4f}" in said[0]


def test_without_validation_the_last_epoch_stays(study):
    fit = forecaster_of().fit(study.panel, replace(study.fold, valid=None), context=context_of(study))
    assert fit.data_through == study.panel.dates[229 + 2]
    assert np.isfinite(np.nansum(fit.predict(study.panel, days_of(study)).values))


def test_devices_that_are_not_there_are_refused(study, fits):
    with pytest.raises(InputError, match=r"^device 'tpu' cannot be computed on here"):
        forecaster_of(device="tpu").fit(study.panel, study.fold, context=context_of(study))
    with pytest.raises(InputError, match=r"^device 'tpu' cannot be computed on here"):
        replace(fits["none"], device="tpu").predict(study.panel, days_of(study)[:1])


def test_a_young_panel_has_no_graph_yet(study):
    dates = study.panel.dates
    young = Panel(
        dates[140:], study.panel.assets, {n: v[140:] for n, v in study.panel.fields.items()}, study.panel.member[140:]
    )
    fit = forecaster_of().fit(
        young, study.fold, context=FitContext(features=feature_set(young, names=study.features.names))
    )
    scores = fit.predict(young, days_of(study)[:2])
    assert (~np.isnan(scores.values)).sum() > 50
