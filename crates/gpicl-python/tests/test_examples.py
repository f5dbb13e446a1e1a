"""Examples are tests."""

import importlib
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_notebook_runs_from_tasks_to_a_prediction(monkeypatch, tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("GPICL_STEPS", "20")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(EXAMPLES / "tour.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    # Learning curves, and the sweep.
    assert sum("image/png" in output.get("data", {}) for output in shown) == 2
    assert any("(4, 50, " in output.get("data", {}).get("text/plain", "") for output in shown)


def test_a_transformer_of_pytorch_learns_on_the_tasks(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(EXAMPLES)
    losses = importlib.import_module("train_torch").main(100)
    assert losses[0] > 2.2 and sum(losses[-10:]) / 10 < 2.2, losses
