"""Attention heads on two workers equal the whole layer; ``training_pair`` computes it."""

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("recomputed", ["", " recomputed"])
@pytest.mark.parametrize("attention", ["dense", "complete", "complete_explicit", "neighbours", "hierarchical"])
def test_scores_and_gradients_are_those_of_the_whole_layer(pair, attention, recomputed):
    """Of every parameter, the shared ones among them, and of the tokens; in double precision."""
    for found in pair:
        assert found[f"heads {attention}{recomputed}"] < 1e-13


def test_training_ends_with_the_weights_of_the_whole_network(pair):
    """With clipping at work and with dropout, which all workers draw alike."""
    for found in pair:
        assert found["heads trained"] < 1e-9
        assert found["fit by heads"] < 2e-5


def test_half_precision(pair):
    for found in pair:
        assert found["heads bf16"] < 0.02


def test_a_split_network_keeps_its_names_and_can_be_joined(pair):
    for found in pair:
        assert found["same names"]
        assert found["joined"] == 0.0
        assert found["joined kind"]


def test_what_cannot_be_split(pair):
    for found in pair:
        assert found["odd heads"] == "1 heads do not divide among 2 workers; make them a multiple."
        assert "the network's attention is none; split" in found["no attention"]
        assert "attention is SplitCrossSection; split the heads of a whole network" in found["split twice"]
