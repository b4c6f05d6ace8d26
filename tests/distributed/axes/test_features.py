"""The encoder's width on two workers equals the whole; ``training_axes`` computes it."""

import pytest


def test_scores_state_and_gradients_are_those_of_the_whole_encoder(pair):
    """Of every parameter and of the inputs; two layers, names that begin anew, and dropout that all draw alike."""
    for found in pair:
        assert found["features"] < 1e-13


@pytest.mark.parametrize("what", ["features trained chunks", "features trained windows", "features and heads trained"])
def test_training_ends_with_the_weights_of_the_whole_network(pair, what):
    for found in pair:
        assert found[what] < 1e-9


def test_a_fit_is_that_of_one_process(pair):
    for found in pair:
        assert found["fit by features"] < 2e-5


def test_a_split_encoder_keeps_its_names_and_can_be_joined(pair):
    for found in pair:
        assert found["features same names"]
        assert found["features joined"] == 0.0


def test_what_cannot_be_split(pair):
    for found in pair:
        assert found["features odd"] == "width 9 does not divide among 2 workers; make it a multiple."
        assert "encoder is a SplitLSTM; split the features of a whole network" in found["features twice"]
        assert "not split; join those that split_features has split" in found["features not split"]
