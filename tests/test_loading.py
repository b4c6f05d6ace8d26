"""Nothing that is read from disk is executed, whoever wrote it."""

import ast
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from quantray.data.vendors.importing import read_bars
from quantray.errors import DataError, QuantrayError
from quantray.models.checkpoint import load_checkpoint
from quantray.oms.paper.bars import read_bars as read_day
from quantray.research.folder import read_run
from quantray.research.results import ResultStore
from quantray.settings import read_content
from quantray.storage.seals import to_parquet
from quantray.studies.tuning.journal import Journal

ROOT = Path(__file__).parents[1]
EXECUTING = {
    "pickle": {"load", "loads", "Unpickler"},
    "cloudpickle": {"load", "loads"},
    "joblib": {"load"},
    "marshal": {"load", "loads"},
    "shelve": {"open"},
    "np": {"load"},
    "pd": {"read_pickle"},
    "yaml": {"load", "load_all", "unsafe_load", "full_load", "Loader", "UnsafeLoader", "FullLoader"},
    "torch": {"load"},
    "tune": {"Tuner.restore"},
    "": {"eval", "exec", "compile", "__import__"},
}
ALLOWED = {
    # What it packed itself a line before, in memory.
    ("arrays.py", "pickle.loads"),
    # Fits of a user's own export, which MLflow loads together with the code that lies beside them.
    ("keeping.py", "pickle.loads"),
    # Tensors and plain values only.
    ("checkpoint.py", "torch.load"),
    ("own.py", "pickle.loads"),
    # Arrays of numbers and texts only.
    ("bars.py", "np.load"),
    ("factor_files.py", "np.load"),
}


class Bomb:
    """What is executed when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.fixture
def mark(tmp_path):
    """What a bomb leaves, which must not be there in the end."""
    bomb = Bomb(tmp_path / "executed")
    pickle.loads(pickle.dumps(bomb))
    assert bomb.mark.exists()
    bomb.mark.unlink()
    yield bomb.mark
    assert not bomb.mark.exists()


def calls(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute | ast.Name):
            yield ast.unparse(node), node


@pytest.mark.parametrize("room", ["quantray", "workflows"])
def test_no_loader_that_executes_is_named(room):
    banned = {f"{module}.{name}".lstrip(".") for module, names in EXECUTING.items() for name in names}
    found = {(path.name, name) for path in (ROOT / room).rglob("*.py") for name, _ in calls(path) if name in banned}
    assert found == (ALLOWED if room == "quantray" else set())


def test_bars_are_loaded_as_arrays_only(mark, tmp_path):
    np.savez(tmp_path / "day.npz", symbols=np.array([Bomb(mark)], dtype=object))
    with pytest.raises(DataError, match="holds no bars"):
        read_day(tmp_path / "day.npz")


def test_tensors_are_loaded_as_such_only():
    tree = ast.parse((ROOT / "quantray" / "models" / "checkpoint.py").read_text(encoding="utf-8"))
    (call,) = [c for c in ast.walk(tree) if isinstance(c, ast.Call) and ast.unparse(c.func) == "torch.load"]
    assert {word.arg: ast.unparse(word.value) for word in call.keywords}["weights_only"] == "True"


def test_a_checkpoint_is_not_executed(mark, tmp_path):
    torch.save({"network": Bomb(mark)}, tmp_path / "checkpoint.pt")
    with pytest.raises(QuantrayError, match="cannot be read"):
        load_checkpoint(tmp_path / "checkpoint.pt")
    (tmp_path / "checkpoint.pt").write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(QuantrayError, match="cannot be read"):
        load_checkpoint(tmp_path / "checkpoint.pt")


def test_types_that_come_with_a_table_are_not_executed(mark, tmp_path):
    """As pyarrow once unpickled them."""
    kind = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": pickle.dumps(Bomb(mark))}
    fields = [
        pa.field("close", pa.float64(), metadata=kind),
        pa.field("symbol", pa.string()),
        pa.field("date", "date32"),
    ]
    columns = [pa.array([1.0, 2.0]), pa.array(["A", "A"]), pa.array([19000, 19001], pa.date32())]
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields))
    store = ResultStore(tmp_path / "results")
    store.path("ab12").parent.mkdir(parents=True)
    store.path("ab12").write_bytes(to_parquet(table, "ab12"))
    assert store.get("ab12")["close"].to_pylist() == [1.0, 2.0]
    pq.write_table(table, tmp_path / "bars.parquet")
    read_bars(tmp_path / "bars.parquet")


def test_settings_are_not_executed(mark, tmp_path):
    text = f"name: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.PosixPath ['{mark}']]\n"
    (tmp_path / "settings.yaml").write_text(text)
    with pytest.raises(QuantrayError, match="is not valid YAML"):
        read_content(tmp_path / "settings.yaml")
    with pytest.raises(QuantrayError, match="is not a run folder"):
        read_run(tmp_path)


def test_a_journal_is_not_executed(mark, tmp_path, capsys):
    (tmp_path / "journal.jsonl").write_bytes(pickle.dumps(Bomb(mark)) + b"\n")
    assert Journal(tmp_path, "s").events == []
    tune = {"_type": "CLOUDPICKLE_FALLBACK", "value": pickle.dumps(Bomb(mark)).hex()}
    (tmp_path / "journal.jsonl").write_text(json.dumps(tune) + "\n")
    assert Journal(tmp_path, "s").events == []
    assert "is damaged in line 1" in capsys.readouterr().err
