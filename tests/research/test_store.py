import numpy as np
import pyarrow as pa
import pytest

from quantray.errors import DataError
from quantray.research.store import ResultStore

TABLE = pa.table({"x": np.array([1.0, 0.1 + 0.2]), "s": ["a", "b"]})


def test_round_trip_is_exact(tmp_path):
    store = ResultStore(tmp_path / "results")
    assert not store.has("ab12")
    store.put("ab12", TABLE, {"note": "hello"})
    assert store.has("ab12")
    back = store.get("ab12")
    assert back.to_pydict() == TABLE.to_pydict()
    store.put("ab12", TABLE)
    assert back.equals(store.get("ab12"))


def test_a_missing_or_damaged_result_says_what_to_do(tmp_path):
    store = ResultStore(tmp_path)
    with pytest.raises(DataError, match="is not there; .* that all machines mount at the same path"):
        store.get("ffff")
    store.put("ab12", TABLE)
    (file,) = tmp_path.rglob("*.parquet")
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(DataError, match="delete it and run the study again"):
        store.get("ab12")
