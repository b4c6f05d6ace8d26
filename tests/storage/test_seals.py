"""Seals: every bit of a sealed file counts, its name too, and readers of the format read on."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quantray.errors import DataError
from quantray.storage.seals import fault, from_parquet, seal_html, seal_json, seal_line, seal_of, to_parquet

TABLE = pa.table({"x": [1.0, 0.1 + 0.2], "s": ["a", "b"]}, metadata={"note": "hello"})
SEALED = {
    "parquet": to_parquet(TABLE, "n"),
    "json": seal_json(json.dumps({"a": 1, "b": "ü"}, indent=2), "n"),
    "line": seal_line(json.dumps({"a": 1, "b": "ü"}), "n"),
    "html": seal_html("<p>a</p>\n", "n"),
}


@pytest.mark.parametrize("kind", SEALED)
def test_any_bit_and_any_byte_more_or_less_is_seen(kind):
    content = SEALED[kind]
    assert fault(content, "n") is None
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        assert fault(bytes(flipped), "n"), place
    for other in (content[:-1], content[1:], content + b" ", b" " + content, b"", content * 2):
        assert fault(other, "n")


@pytest.mark.parametrize("kind", SEALED)
def test_a_file_does_not_pass_for_one_of_another_name(kind):
    assert fault(SEALED[kind], "m") == "is damaged: it is not what was written"


def test_readers_of_the_formats_read_on(tmp_path):
    file = tmp_path / "t.parquet"
    file.write_bytes(SEALED["parquet"])
    assert pq.read_table(file).equals(TABLE, check_metadata=True)
    assert pd.read_parquet(file)["x"].tolist() == TABLE["x"].to_pylist()
    assert pq.ParquetFile(file).schema_arrow.metadata == {b"note": b"hello"}
    assert json.loads(SEALED["json"])["b"] == "ü"
    assert list(json.loads(SEALED["json"])) == ["a", "b", "seal"]
    assert SEALED["html"].startswith(b"<p>a</p>\n<!-- quantray-sha256:")


def test_a_table_comes_back_to_the_bit(tmp_path):
    table = pa.table({"x": np.random.default_rng(0).normal(size=1000), "d": pa.array(np.arange(1000) % 7).cast("int8")})
    assert from_parquet(to_parquet(table, "n"), "n").equals(table)


def test_what_is_sealed_and_no_table_is_refused_in_a_line():
    crafted = bytearray(SEALED["html"])
    with pytest.raises(DataError, match="is no table: ") as caught:
        from_parquet(bytes(crafted), "n")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="carries no seal: it is damaged, or an older quantray wrote it"):
        from_parquet(b"PAR1", "n")


def test_the_seal_of_a_line_is_its_last_entry():
    line = SEALED["line"]
    assert json.loads(line)["seal"].endswith(seal_of(line))
    assert len(seal_of(line)) == 64
    assert seal_of(b"nothing") == ""
