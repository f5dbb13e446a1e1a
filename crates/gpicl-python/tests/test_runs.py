"""Runs from a notebook: the command's bytes, callbacks, Ctrl-C, weights."""

import importlib
import json
import multiprocessing
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import gpicl
from gpicl.tasks import TaskDistribution

TINY = {
    "tasks": {"episode_length": 12, "input_dim": 16},
    "model": {"kind": "transformer", "d_model": 16, "layers": 2, "heads": 2, "d_ff": 32},
    "train": {"steps": 4, "batch": 4, "log_every": 1, "checkpoint_every": 1, "keep_checkpoints": 9},
    "eval": {"every": 0, "episodes": 4, "final_episodes": 4},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    said = []
    run = gpicl.train(run=tmp_path_factory.mktemp("runs") / "tiny", callback=said.append, **TINY)
    assert [(line["step"], line["steps"]) for line in said] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [line["loss"] for line in said] == [line["loss"] for line in run.metrics if "loss" in line]
    return run


def test_a_run_has_the_bytes_of_the_command_s(command, run, tmp_path):
    subprocess.run([command, "train", "--config", run.path / "config.toml", "--run", tmp_path / "run"], check=True, capture_output=True)
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == (run.path / "metrics.jsonl").read_bytes()


def test_a_run_is_read(run):
    assert run.config["train"]["steps"] == 4
    assert run.config["model"]["d_model"] == 16
    assert any(name.startswith("unseen") for name in run.curves)
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    drawn = [line.get_ydata() for line in run.plot().get_lines()]
    assert [len(line) for line in drawn] == [12] * len(run.curves)
    for line, curve in zip(drawn, run.curves.values()):
        np.testing.assert_array_equal(line, [at["mean"] for at in curve["accuracy"]])
    learner = run.predictor(n_ensemble=2).fit(np.random.default_rng(0).normal(size=(8, 3)), [0, 1] * 4)
    assert learner.predict_proba(np.zeros((2, 3))).shape == (2, 2)
    weights = run.state_dict()
    assert weights["head.weight"].shape[0] == 16 and weights["head.weight"].dtype == np.float32
    assert not np.array_equal(run.state_dict(1)["head.weight"], weights["head.weight"])


def test_metrics_and_curves_are_frames_too(run):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    steps = [line for line in run.metrics if "loss" in line]
    for library, kind in [("pandas", pandas.DataFrame), ("polars", polars.DataFrame), (None, pandas.DataFrame)]:
        frame = run.metrics.frame(library)
        assert isinstance(frame, kind) and len(frame) == len(run.metrics)
        losses = [loss for loss in frame["loss"].to_list() if loss is not None and loss == loss]
        assert losses == [line["loss"] for line in steps]
        curves = run.curves.frame(library)
        assert list(curves.columns) == ["set", "examples", "accuracy.mean", "accuracy.low", "accuracy.high", "loss"]
        wanted = [at["mean"] for curve in run.curves.values() for at in curve["accuracy"]]
        assert curves["accuracy.mean"].to_list() == wanted
        assert curves["examples"].to_list() == list(range(12)) * len(run.curves)


def test_frames_need_no_pandas(run, monkeypatch):
    polars = pytest.importorskip("polars")
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert isinstance(run.metrics.frame(), polars.DataFrame)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match="pandas or polars is not installed; pip install pandas"):
        run.metrics.frame()


def test_ctrl_c_ends_a_meta_test_within_a_set(run, ends_at_ctrl_c):
    """Of one set that would take hours."""
    program = """
import sys, gpicl
run = gpicl.Run(sys.argv[1])
print("on it", flush=True)
run.evaluate(["random"], episodes=1_000_000, baselines=sys.argv[2:])
"""
    for baselines in ([], ["knn"]):
        child = subprocess.Popen(
            [sys.executable, "-c", program, run.path, *baselines], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "on it\n"
        time.sleep(2)
        ends_at_ctrl_c(child)


def test_a_run_that_is_not_finished_says_so(run, tmp_path):
    (tmp_path / "config.toml").write_bytes((run.path / "config.toml").read_bytes())
    begun = gpicl.Run(tmp_path)
    for name, read in [("metrics.jsonl", lambda: begun.metrics), ("results.json", lambda: begun.curves)]:
        with pytest.raises(FileNotFoundError, match=f"{name}: is not there yet; `gpicl resume {tmp_path}`"):
            read()
    whole = (run.path / "metrics.jsonl").read_text()
    (tmp_path / "metrics.jsonl").write_text(whole + '{"kind": "tr')
    assert begun.metrics == run.metrics, "a line is being written"


def test_one_name_is_a_list_of_one(run):
    found = run.evaluate("random", baselines="knn", episodes=4, queries=2)
    assert found == run.evaluate(["random"], baselines=["knn"], episodes=4, queries=2)


def test_a_run_is_meta_tested_as_by_the_command(command, run, tmp_path):
    found = run.evaluate(["random"], episodes=4, queries=2, seed=3, baselines=["knn"])
    args = ["--data", "random", "--episodes", "4", "--queries", "2", "--seed", "3", "--baselines", "knn", "--out", tmp_path / "out"]
    subprocess.run([command, "eval", run.path, *args], check=True, capture_output=True)
    wanted = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["curves"] == wanted["curves"] and found["baselines"] == wanted["baselines"] != []


def test_errors_say_what_is_wrong(run, tmp_path):
    with pytest.raises(ValueError, match="holds a run already"):
        gpicl.train(run=run.path, **TINY)
    with pytest.raises(ValueError, match="is no run folder"):
        gpicl.Run(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere: cannot open"):
        gpicl.Run(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="--run.*is empty; name a new folder"):
        gpicl.train(run="", **TINY)
    with pytest.raises(ValueError, match="`nope` is none"):
        gpicl.train(preset="nope", run=tmp_path / "run")
    with pytest.raises(ValueError, match="split: `train` is none"):
        run.evaluate(split="train")
    with pytest.raises(FileNotFoundError, match="nowhere.toml"):
        gpicl.train(tmp_path / "nowhere.toml", run=tmp_path / "run")


def test_an_error_of_the_callback_ends_the_run_with_a_checkpoint(tmp_path):
    def callback(said):
        if said["step"] == 2:
            raise KeyError("enough")

    endless = {**TINY, "train": {**TINY["train"], "steps": 100_000, "checkpoint_every": 100_000}}
    with pytest.raises(KeyError, match="enough"):
        gpicl.train(run=tmp_path / "run", callback=callback, **endless)
    assert gpicl.Run(tmp_path / "run").state_dict()


def test_ctrl_c_ends_a_run_with_a_checkpoint(tmp_path):
    program = "import sys, gpicl; gpicl.train(sys.argv[1], run=sys.argv[2], callback=lambda said: print(said['step'], flush=True))"
    config = tmp_path / "config.toml"
    config.write_text("[train]\nsteps = 1000000\nbatch = 2\n[tasks]\nepisode_length = 8\n[model]\nd_model = 8\nheads = 2\nlayers = 1\n")
    child = subprocess.Popen(
        [sys.executable, "-c", program, config, tmp_path / "run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline().strip() == "1"
    started = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert time.monotonic() - started < 30
    assert "KeyboardInterrupt" in errors
    assert gpicl.Run(tmp_path / "run").state_dict()


def test_ctrl_c_ends_the_last_meta_test_of_a_run_that_has_its_steps(tmp_path):
    program = "import sys, gpicl; gpicl.train(sys.argv[1], run=sys.argv[2], callback=lambda said: print(said['step'], flush=True))"
    config = tmp_path / "config.toml"
    config.write_text(
        "[train]\nsteps = 1\nbatch = 2\n[tasks]\nepisode_length = 8\n[model]\nd_model = 8\nheads = 2\nlayers = 1\n"
        "[eval]\nfinal_episodes = 1000000\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, config, tmp_path / "run"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout.readline().strip() == "1"
    time.sleep(2)
    started = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert time.monotonic() - started < 30
    assert "KeyboardInterrupt" in errors
    run = gpicl.Run(tmp_path / "run")
    assert run.state_dict()
    with pytest.raises(FileNotFoundError, match="gpicl resume"):
        run.results


def torch_module(kind):
    """The class for PyTorch of an architecture; skips where PyTorch is not."""
    pytest.importorskip("torch")
    root = Path(__file__).parents[3]
    for folder in map(str, (root / "crates/gpicl-python/examples", root / "bench/python")):
        if folder not in sys.path:
            sys.path.append(folder)
    if kind == "mesa-net":
        return importlib.import_module("mesa_net").MesaNet
    return importlib.import_module("transformer").Transformer


@pytest.mark.parametrize(("kind", "layout"), [("transformer", "shifted"), ("transformer", "paired"), ("mesa-net", "paired")])
def test_pytorch_s_modules_have_the_logits_of_the_run(tmp_path, kind, layout):
    """Weights after step s and batch s, both given out as arrays, have the run's logits, and the loss that it wrote of step s + 1."""
    module_of = torch_module(kind).of
    import torch

    model = {**TINY["model"], "kind": kind, "layout": layout, "label_scale": {"relative": 0.5}, "positions": layout == "shifted"}
    run = gpicl.train(run=tmp_path / "run", **{**TINY, "model": model})
    tasks = TaskDistribution.from_config(run.path / "config.toml")
    losses = {line["step"]: line["loss"] for line in run.metrics if "loss" in line}
    for step in (1, 2, 3):
        inputs, labels = map(torch.from_numpy, tasks.batch(step))
        module = module_of(run, tasks.shape[2], tasks.classes, tasks.shape[1], step)
        logits = module(inputs, labels)
        np.testing.assert_allclose(run.logits(inputs, labels, step), logits.detach().numpy(), atol=2e-5)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
        assert loss.item() == pytest.approx(losses[step + 1], abs=2e-6)


def test_logits_do_not_see_what_comes_later(run):
    tasks = TaskDistribution.from_config(run.path / "config.toml")
    # More than are read at a time.
    batches = [tasks.batch(i) for i in range(40)]
    inputs, labels = (np.concatenate(arrays) for arrays in zip(*batches))
    logits = run.logits(inputs, labels)
    assert logits.shape == (*labels.shape, tasks.classes) and logits.dtype == np.float32
    later = labels.copy()
    later[:, 3:] = (labels[:, 3:] + 1) % tasks.classes
    np.testing.assert_array_equal(run.logits(inputs, later)[:, :4], logits[:, :4])
    assert (run.logits(inputs, later)[:, 4:] != logits[:, 4:]).any()
    later = inputs.copy()
    later[:, 4:] += 1
    np.testing.assert_array_equal(run.logits(later, labels)[:, :4], logits[:, :4])
    assert (run.logits(later, labels)[:, 4:] != logits[:, 4:]).any()
    np.testing.assert_allclose(run.logits(inputs[150:], labels[150:]), logits[150:], atol=1e-5)
    # A part of the episodes, and of each.
    np.testing.assert_allclose(run.logits(inputs[:1, :4], labels[:1, :4]), logits[:1, :4], atol=1e-5)
    assert run.logits(inputs[:0], labels[:0]).shape == (0, *logits.shape[1:])


def test_logits_of_what_does_not_fit_are_errors_that_name_it(run):
    tasks = TaskDistribution.from_config(run.path / "config.toml")
    inputs, labels = tasks.batch(0)
    nan = inputs.copy()
    nan[0, 1, 2] = np.nan
    for bad_inputs, bad_labels, error, part in [
        (inputs[..., :-1], labels, ValueError, "inputs: are of 15 numbers each; give 16"),
        (inputs, labels[:, :-1], ValueError, "give (B, N, D) and (B, N)"),
        (inputs, labels - 100, ValueError, "labels: reach from -100"),
        (inputs, labels + 1000, ValueError, "give those of the slots 0 to"),
        (inputs, labels + 0.5, TypeError, "labels: are float64; give whole numbers"),
        (inputs.astype(str), labels, TypeError, "inputs: are <U"),
        ([[1.0], [2.0, 3.0]], labels, TypeError, "inputs: are no array of numbers"),
        (nan, labels, ValueError, "inputs: hold NaN in example 1 of episode 0"),
        (inputs.astype(float) * 1e300, labels, ValueError, "inputs: hold numbers that float32 does not"),
        (np.full_like(inputs, 3e38), labels, ValueError, "inputs: of episode 0 are too large for the network"),
        (np.concatenate([inputs, inputs], 1), np.concatenate([labels, labels], 1), ValueError, "episodes of 24 examples"),
    ]:
        with pytest.raises(error, match=re.escape(part)):
            run.logits(bad_inputs, bad_labels)
    for ask in (run.state_dict, lambda step: run.logits(inputs, labels, step)):
        with pytest.raises(ValueError, match=r"has no checkpoint of step 77; there are those of 1, 2, 3, 4"):
            ask(77)
        with pytest.raises(TypeError, match="step: is True"):
            ask(True)


def test_the_modules_for_pytorch_refuse_what_they_leave_out():
    module = torch_module("transformer")
    for option in ({"rotary": True}, {"input_norm": 1.0}, {"kind": "lstm"}):
        model = {**TINY["model"], "layout": "shifted", "label_scale": {"relative": 0.5}, "positions": False, **option}
        with pytest.raises(ValueError, match="model." + next(iter(option))):
            module(model, 16, 10, 12)
    model = {**TINY["model"], "kind": "mesa-net", "layout": "shifted", "label_scale": {"relative": 0.5}, "positions": False}
    with pytest.raises(ValueError, match="model.layout"):
        torch_module("mesa-net")(model, 16, 10, 12)


def test_logits_are_there_in_a_child_that_was_forked_off(run):
    """Threads of the parent are not; PyTorch's loaders fork by default."""
    tasks = TaskDistribution.from_config(run.path / "config.toml")
    inputs, labels = tasks.batch(0)
    expected = run.logits(inputs, labels)
    with multiprocessing.get_context("fork").Pool(1) as children:
        found = children.apply_async(run.logits, (inputs, labels)).get(timeout=60)
    np.testing.assert_array_equal(found, expected)


def test_a_learner_for_tables_reads_its_own_batches(tmp_path):
    model = {"kind": "cells", "d_model": 16, "layers": 1, "heads": 2, "d_ff": 16}
    run = gpicl.train(run=tmp_path / "run", mix=[{"prior": {"episode_length": 40, "input_dim": 6}}], model=model, train=TINY["train"], eval=TINY["eval"])
    tasks = TaskDistribution.from_config(run.path / "config.toml")
    inputs, labels = tasks.batch(0)
    assert np.isnan(inputs).any()
    assert np.isfinite(run.logits(inputs, labels)).all()
