"""Every notebook runs from top to bottom, keeps to its length and is stored without outputs."""

import gc
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_short_and_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    assert len(notebook.cells) < 20
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert not any(line.startswith(("def ", "class ")) for cell in code for line in cell.source.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore:Unclosed socket:ResourceWarning")
def test_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    folder = tmp_path / "run"
    folder.mkdir()
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}})
    client.execute()
    # The client leaves sockets to the garbage collector, and the filter above holds only for this test.
    del client
    gc.collect()
    figures = [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code"
        and any("application/vnd.plotly.v1+json" in output.get("data", {}) for output in cell.outputs)
    ]
    assert figures, "a notebook explains with at least one figure"
    assert not list(folder.iterdir()), "a notebook keeps its files in a temporary folder"
