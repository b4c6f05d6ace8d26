import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from quantray.errors import InputError
from quantray.features.feature_set import feature_set
from quantray.features.labels import forward_returns, standardised_labels
from quantray.models.geometric import graph_data
from quantray.models.structures import GraphSettings, known_graph

GRAPH = GraphSettings(k=3, window=100)


@pytest.fixture(scope="module")
def rows(study):
    first = int(np.searchsorted(study.panel.dates, np.datetime64("2024-06-27")))
    return range(first, first + 6)


def test_a_date_is_what_a_network_would_see(study, rows):
    panel = study.panel
    features = feature_set(panel)
    found = graph_data(panel, panel.dates[rows.start : rows.stop], graph=GRAPH, features=features)
    labels = standardised_labels(forward_returns(panel.field("close"), horizon=5, lag=1), panel.member)
    for row, one in zip(rows, found, strict=True):
        assert one.date == str(panel.dates[row])
        assert one.validate()
        assert_array_equal(one.x.numpy(), np.nan_to_num(features.values[row]))
        assert_array_equal(one.member.numpy(), panel.member[row] & features.present[row])
        known = one.train_mask.numpy()
        assert_array_equal(known, one.member.numpy() & ~np.isnan(labels[row]))
        assert_array_equal(one.y.numpy()[known], labels[row][known].astype(np.float32))
        quarter = int(np.searchsorted(panel.dates, panel.dates[row].astype("datetime64[M]")))
        start = quarter if panel.dates[row] >= np.datetime64("2024-07-01") else first_of(panel, "2024-04")
        links = known_graph(panel, GRAPH, "neighbours", start, {}).links
        wanted = {(int(j), i) for i, heard in enumerate(links) for j in heard if j >= 0 and one.member[int(j)]}
        assert set(map(tuple, one.edge_index.t().tolist())) == wanted


def first_of(panel, month):
    return int(np.searchsorted(panel.dates, np.datetime64(month, "D")))


def test_data_go_through_a_layer_of_pyg(study, rows):
    from torch_geometric.nn import SAGEConv

    one = graph_data(study.panel, study.panel.dates[rows.start : rows.start + 1], graph=GRAPH)[0]
    out = SAGEConv(one.num_features, 2)(one.x, one.edge_index)
    assert out.shape == (len(study.panel.assets), 2)
    assert torch.isfinite(out).all()


def test_what_does_not_fit_is_refused(study, rows):
    panel = study.panel
    for dates, text in (
        (panel.dates[:0], "no dates to give"),
        (panel.dates[[rows.start, rows.start + 2]], "not consecutive rows"),
    ):
        with pytest.raises(InputError, match=text):
            graph_data(panel, dates, graph=GRAPH)
    with pytest.raises(InputError, match="of another panel"):
        graph_data(panel, panel.dates[-2:], features=feature_set(panel.until(panel.dates[-2])))
