import pytest

from quantray.errors import InputError
from quantray.oms.paper.faults import Faults, read_faults


def test_faults_are_read():
    assert read_faults("{}") == read_faults("") == Faults()
    assert read_faults('{"lose": 0.1, "crash": "after commit", "crash_after": 7}').crash_after == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"looses": 1}', "unknown key 'looses'"),
        ('{"lose": 2}', "lose"),
        ('{"crash": "now"}', "crash"),
        ("[", "faults"),
    ],
)
def test_faults_that_are_none(text, said):
    with pytest.raises(InputError, match=said):
        read_faults(text)
