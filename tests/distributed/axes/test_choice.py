"""Choices of axes that make no sense are refused before any worker starts."""

from dataclasses import replace

import pytest

from quantray.distributed.axes.choice import Axes, check_axes, dividing
from quantray.errors import InputError
from quantray.models.layers import LayerSettings
from quantray.models.learned import NetworkForecaster
from quantray.models.training import TrainingSettings

FORECASTER = NetworkForecaster(name="small", attention="complete", width=6, heads=2, training=TrainingSettings(batch=2))
ALONE = replace(FORECASTER, attention="none")
LAYER = replace(FORECASTER, attention=LayerSettings("SAGEConv"))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"row": 0}, "row 0 and micro_batches 4 must be at least 1"),
        ({"micro_batches": 0}, "row 1 and micro_batches 0 must be at least 1"),
        ({"split": ()}, r"split \(\) must name some of heads, features, pipeline"),
        ({"split": ("heads", "heads")}, "each once"),
        ({"split": ("layers",)}, "must name some of heads"),
        ({"split": ("pipeline", "heads")}, "a pipeline shares nothing else"),
        ({"split": ("pipeline",), "row": 3}, "a row of 3 workers is more than the 2 stages of a pipeline"),
    ],
)
def test_axes_that_cannot_be(choice, message):
    with pytest.raises(InputError, match=message):
        Axes(**choice)


@pytest.mark.parametrize(
    ("forecaster", "axes", "workers", "message"),
    [
        (FORECASTER, Axes(row=2), 3, "3 workers do not divide into rows of 2"),
        (FORECASTER, Axes(row=2), 0, "1 workers do not divide into rows of 2"),
        (FORECASTER, Axes(), 4, "batch 2 does not divide among 4 rows"),
        (replace(FORECASTER, heads=3), Axes(row=2), 2, "3 heads of attention 'complete' do not divide among the 2"),
        (ALONE, Axes(row=2), 2, "2 heads of attention 'none' do not divide"),
        (LAYER, Axes(row=2), 2, "2 heads of attention LayerSettings.* do not divide"),
        (replace(FORECASTER, width=8), Axes(row=3, split=("features",)), 3, "width 8 does not divide among the 3"),
        (
            ALONE,
            Axes(row=2, split=("pipeline",)),
            2,
            "attention none leaves the second",
        ),
        (
            replace(FORECASTER, training=TrainingSettings(stages=("encoder", "cross"))),
            Axes(row=2, split=("pipeline",)),
            2,
            "stage cross leaves the first worker of a pipeline without work",
        ),
    ],
)
def test_what_does_not_divide(forecaster, axes, workers, message):
    with pytest.raises(InputError, match=message):
        check_axes(forecaster, axes, workers)


def test_what_does():
    check_axes(FORECASTER, Axes(), 0)
    check_axes(FORECASTER, Axes(row=2, split=("heads", "features")), 4)
    check_axes(ALONE, Axes(row=3, split=("features",)), 3)
    check_axes(LAYER, Axes(row=2, split=("pipeline",)), 2)
    assert dividing(Axes(), None) is None
