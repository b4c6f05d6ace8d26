"""Encoder and attention on two workers, one after the other, equal one process; ``training_axes`` computes it."""

import pytest


@pytest.mark.parametrize("what", ["pipeline chunks", "pipeline windows", "pipeline stages"])
def test_training_ends_with_the_weights_of_one_process(pair, what):
    """With parts that differ in length, steps that are added up, clipping at work, and attention computed again."""
    for found in pair:
        assert found[what] < 1e-9


def test_both_workers_end_with_the_same_weights(pair):
    """With dropout and in half precision, to the bit."""
    for found in pair:
        assert found["pipeline agrees"]


def test_the_encoder_works_on_a_gradient_before_it_waits_for_the_next(pair):
    assert pair[0]["pipeline order"] == ["came 2", "done 2", "came 1", "done 1", "came 0", "done 0"]


def test_a_fit_is_that_of_one_process(pair):
    """And both workers know the state after the last date."""
    for found in pair:
        assert found["fit by pipeline"] < 2e-5


def test_what_cannot_be_a_pipeline(pair):
    for found in pair:
        assert "no attention, or is split into stages already" in found["pipeline without attention"]
        assert "no attention, or is split into stages already" in found["pipeline twice"]
        assert found["pipeline of none"].startswith(
            "2 workers for 2 stages, encoder and head, in 0 micro-batches; give"
        )
        assert "attention none leaves the second worker of a pipeline without work" in found["fit refused"]
