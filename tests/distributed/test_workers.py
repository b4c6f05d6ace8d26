"""Processes that train together over torch.distributed give what one gives; ``training_pair`` computes it."""

import pytest

from quantray.distributed.workers import ProcessGroup, worker_grid
from quantray.errors import ClusterError


def test_tensors_of_all_kinds_are_added_up_in_place(pair):
    for found in pair:
        assert found["add_up"] == [[[3.0] * 3] * 2, 12, [], [2.0, 2.0], 1.0]
        assert found["add_up in place"]


@pytest.mark.parametrize("mode", ["chunks", "windows"])
def test_two_workers_end_with_the_weights_of_one(pair, mode):
    """In double precision, with clipping at work; accumulated steps and squared losses in the windows."""
    for found in pair:
        assert found[f"data {mode}"] < 1e-9
        assert found[f"moved {mode}"] > 1e-2


def test_a_divided_fit_is_the_fit_of_one_process(pair):
    for found in pair:
        assert found["fit by dates"] < 2e-5


def test_a_stopped_fit_goes_on_to_the_last_byte(pair):
    """With dropout of each worker's own, and a stale file where the second worker looks."""
    for found in pair:
        assert found["resumed"] == 0.0
        assert found["resumed bytes"]
        assert found["left alone"]


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["heads", "features", "heads and features", "pipeline"])
def test_rows_share_an_axis_and_columns_dates(four, axis):
    assert [found["place"] for found in four] == [[0, 0], [0, 1], [1, 0], [1, 1]]
    for found in four:
        assert found[f"grid {axis}"] < 1e-9


def test_rows_must_be_whole(pair):
    for found in pair:
        assert found["odd rows"] == "2 workers do not divide into rows of 3; make them a multiple."


def test_processes_must_be_joined():
    with pytest.raises(ClusterError, match="not joined; call torch.distributed.init_process_group"):
        ProcessGroup()
    with pytest.raises(ClusterError, match="not joined"):
        worker_grid(2)
