"""The chain of the log, by its definition."""

import json
from hashlib import sha256

import pytest

from quantray.oms.audit import Chain, chained, line_of


def test_a_line_is_canonical():
    line = line_of(1, "T", "ops", "", "limit", "é", {"b": 1, "a": None, "c": {"z": 2, "y": [True]}})
    assert line == '[1,"T","ops","","limit","\\u00e9",{"a":null,"b":1,"c":{"y":[true],"z":2}}]'
    with pytest.raises(ValueError, match="JSON"):
        line_of(1, "T", "ops", "", "limit", "", {"a": float("nan")})


def test_each_row_is_hashed_with_the_one_before():
    chain = Chain()
    number, first, before, head = chain.row("T", "ops", "", "epoch", "", {"epoch": 1})
    assert (number, before, head) == (1, "", sha256(b"\n" + first.encode()).hexdigest())
    number, second, before, last = chain.row("U", "ops", "", "epoch", "", {"epoch": 2})
    assert (number, before) == (2, head)
    assert last == sha256(f"{head}\n{second}".encode()).hexdigest() == chained(head, second) == chain.head
    assert json.loads(second)[0] == 2
