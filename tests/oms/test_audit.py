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
    first = chain.row("T", "ops", "", "epoch", "", {"epoch": 1})
    second = chain.row("U", "ops", "", "epoch", "", {"epoch": 2})
    assert (first["seq"], second["seq"], first["previous"], second["previous"]) == (1, 2, "", first["hash"])
    assert first["hash"] == sha256(b"\n" + first["line"].encode()).hexdigest()
    assert second["hash"] == sha256(f"{first['hash']}\n{second['line']}".encode()).hexdigest() == chain.head
    assert json.loads(second["line"])[0] == 2
    assert chained(first["hash"], second["line"]) == second["hash"]
