import numpy as np

from quantray.risk.positions.groups import Groups

LABELS = np.array(["Energy", "", "Bank", "Energy"])


def test_amounts_are_added_up_by_label():
    groups = Groups.of(LABELS)
    assert groups.names == ("", "Bank", "Energy")
    assert groups.labels.tolist() == LABELS.tolist()
    amounts = np.array([1.0, 2, 4, 8])
    assert groups.sums(amounts).tolist() == [2, 4, 9]
    assert groups.sums(np.stack([amounts, -amounts])).tolist() == [[2, 4, 9], [-2, -4, -9]]


def test_groups_of_some_rows_leave_out_what_they_lack():
    some = Groups.of(LABELS).at(np.array([3, 0, 1]))
    assert some.names == ("", "Energy")
    assert some.labels.tolist() == ["Energy", "Energy", ""]


def test_a_group_may_take_the_name_of_another():
    groups = Groups.of(LABELS)
    assert groups.renamed("", "Bank").labels.tolist() == ["Energy", "Bank", "Bank", "Energy"]
    assert groups.renamed("", "Oil").names == ("Bank", "Energy", "Oil")
    assert groups.renamed("Oil", "Gas") is groups


def test_nothing_has_no_groups():
    empty = Groups.of(np.zeros(0, dtype=np.str_))
    assert empty.names == ()
    assert empty.labels.tolist() == []
    assert empty.sums(np.zeros((2, 0))).shape == (2, 0)


def test_many_labels_of_any_length_are_those_of_a_plain_search():
    generator = np.random.default_rng(0)
    long = "a" * 40
    kinds = np.array(["", "x", "xa", "ax", "strategy 1", "strategy 2", long + "b", long + "c", "Ü"])
    labels = kinds[generator.integers(0, len(kinds), 500)]
    groups = Groups.of(labels)
    names, places = np.unique(labels, return_inverse=True)
    assert groups.names == tuple(names.tolist())
    assert groups.places.tolist() == places.tolist()
