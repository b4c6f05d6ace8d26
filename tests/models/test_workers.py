"""One process is a group of workers, too."""

import torch

from quantray.models.workers import Alone, Workers


def test_alone_there_is_nothing_to_add():
    workers: Workers = Alone()
    tensor = torch.tensor([1.0, -2.0])
    workers.add_up([tensor])
    assert (workers.rank, workers.count) == (0, 1)
    assert tensor.tolist() == [1.0, -2.0]
