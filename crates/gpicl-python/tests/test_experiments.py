"""Sweeps, comparisons and figures from a notebook: the command's bytes, errors, Ctrl-C."""

import csv
import json
import signal
import subprocess
import sys
import time

import pytest

import gpicl

BASE = {
    "data": {"name": "random", "size": 8, "classes": 3, "per_class": 20},
    "tasks": {"episode_length": 8},
    "model": {"d_model": 8, "layers": 1, "heads": 2, "d_ff": 16},
    "train": {"steps": 4, "batch": 4, "log_every": 1},
    "eval": {"every": 0, "episodes": 4, "final_episodes": 4},
}
SPEC = {"seeds": [0, 1], "base": BASE, "grid": {"train.lr": [0.001, 0.01]}}
TOML = """
seeds = [0, 1]
[base]
data = { name = "random", size = 8, classes = 3, per_class = 20 }
tasks.episode_length = 8
model = { d_model = 8, layers = 1, heads = 2, d_ff = 16 }
train = { steps = 4, batch = 4, log_every = 1 }
eval = { every = 0, episodes = 4, final_episodes = 4 }
[grid]
train.lr = [0.001, 0.01]
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    return gpicl.sweep(SPEC, out=tmp_path_factory.mktemp("sweeps") / "tiny", jobs=1, population=2)


def test_a_sweep_has_the_bytes_of_the_command_s(command, swept, tmp_path, capfd):
    (tmp_path / "spec.toml").write_text(TOML)
    subprocess.run([command, "sweep", tmp_path / "spec.toml", "--out", tmp_path / "out"], check=True, capture_output=True)
    for name in ("results.csv", "results.json"):
        assert (tmp_path / "out" / name).read_bytes() == (swept.path / name).read_bytes()
    # Finished: it is only read, and what it says goes to standard error.
    again = gpicl.sweep(tmp_path / "spec.toml", out=tmp_path / "out")
    assert again.rows == swept.rows
    assert capfd.readouterr() == ("", f"4 runs in {tmp_path / 'out'}\n")
    assert gpicl.sweep(tmp_path / "out", progress=False).rows == swept.rows
    assert capfd.readouterr() == ("", "")


def test_a_sweep_s_results_are_rows_frames_and_a_picture(swept):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    assert [(row["train.lr"], row["seed"], row["state"]) for row in swept.rows] == [
        (0.001, 0, "finished"), (0.001, 1, "finished"), (0.01, 0, "finished"), (0.01, 1, "finished")
    ]
    assert {type(row["steps"]) for row in swept.rows} == {int}
    assert swept.failed == {}
    for row, run in zip(swept.rows, swept.runs.values(), strict=True):
        name = next(name for name in run.curves if name.startswith("unseen"))
        assert run.curves[name]["accuracy"][-1]["mean"] == row["unseen_last"]
    frame, other = swept.frame(), swept.frame("polars")
    assert isinstance(frame, pandas.DataFrame) and isinstance(other, polars.DataFrame)
    assert list(frame.columns) == other.columns == list(swept.rows[0])
    assert frame["unseen_last"].tolist() == other["unseen_last"].to_list() == [row["unseen_last"] for row in swept.rows]
    (line,) = swept.plot("train.lr", "unseen_last").get_lines()
    last = [row["unseen_last"] for row in swept.rows]
    assert line.get_xdata().tolist() == [0.001, 0.01]
    assert line.get_ydata().tolist() == pytest.approx([(last[0] + last[1]) / 2, (last[2] + last[3]) / 2])
    with pytest.raises(ValueError, match="x: `seed` is none; choose one of train.lr"):
        swept.plot("seed")
    with pytest.raises(ValueError, match="library: `numpy` is none"):
        swept.frame("numpy")


def test_learners_are_compared_as_by_the_command(command, tmp_path):
    methods = [
        {"name": "small", "label": "Small", "set": {"model": {"d_model": 4}}},
        {"name": "nearest", "label": "Nearest", "baseline": "knn"},
    ]
    spec = {"seeds": [0], "episodes": 4, "queries": 2, "test_sets": ["random"], "untrained": False, "base": BASE, "methods": methods}
    found = gpicl.compare(spec, out=tmp_path / "here", progress=False)
    (tmp_path / "spec.toml").write_text("".join(f"{name} = {gpicl.tasks.toml(value)}\n" for name, value in spec.items()))
    args = ["compare", "--config", tmp_path / "spec.toml", "--out", tmp_path / "there", "--json"]
    said = subprocess.run([command, *args], check=True, capture_output=True, text=True)
    assert found.results == json.loads(said.stdout)
    assert (tmp_path / "here" / "table.csv").read_bytes() == (tmp_path / "there" / "table.csv").read_bytes()
    assert found.failed == {}
    assert [row["learner"] for row in found.rows] == ["small", "nearest"]
    assert found.rows[0]["params"] > 0 and found.rows[1]["params"] is None
    assert found.curves("random")["Nearest"]["accuracy"][-1] == found.rows[1]["last"]
    assert list(found.frame()["last.mean"]) == [row["last"]["mean"] for row in found.rows]
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    assert [line.get_label() for line in found.plot().get_lines()] == ["Small", "Nearest"]
    with pytest.raises(ValueError, match="set: `mnist` is none; choose one of random"):
        found.plot("mnist")


def test_a_figure_is_made_from_other_runs(tmp_path):
    (tmp_path / "spec.toml").write_text(TOML.replace("train.lr = [0.001, 0.01]", "tasks.count = [1, 16]"))
    found = gpicl.reproduce("transition", spec=tmp_path / "spec.toml", out=tmp_path / "figure", progress=False, train={"steps": 3})
    with open(tmp_path / "figure" / "transition.csv", newline="") as file:
        assert len(found.rows) == len(list(csv.DictReader(file))) > 0
    assert found.failed == {} and found.verdict["checks"]
    assert found.verdict["answer"] in repr(found)
    assert "train.steps=3" in (tmp_path / "figure" / "verdict.txt").read_text()
    assert found._repr_png_().startswith(b"\x89PNG")
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    assert found.plot().get_images()


def test_a_run_that_fails_does_not_end_the_others(tmp_path):
    broken = {**SPEC, "seeds": [0], "grid": {}, "list": [{"train.lr": 0.01}, {"data": {"name": "csv", "path": str(tmp_path / "nowhere.csv")}}]}
    found = gpicl.sweep(broken, out=tmp_path / "out", progress=False)
    assert sorted(row["state"] for row in found.rows) == ["failed", "finished"]
    ((_, error),) = found.failed.items()
    assert "nowhere.csv" in error
    assert len(found.runs) == 1


def test_errors_say_what_is_wrong(swept, tmp_path):
    with pytest.raises(ValueError, match="spec: give one, or the name of a preset"):
        gpicl.sweep()
    with pytest.raises(ValueError, match="spec: give one, or the name of a preset"):
        gpicl.compare(SPEC, preset="glyphs")
    with pytest.raises(FileNotFoundError, match="nowhere.toml"):
        gpicl.sweep(tmp_path / "nowhere.toml", out=tmp_path / "out")
    with pytest.raises(ValueError, match="`nope` is none"):
        gpicl.sweep(preset="nope", out=tmp_path / "out")
    with pytest.raises(ValueError, match="spec: field `grids`"):
        gpicl.sweep({"grids": {}}, out=tmp_path / "out")
    with pytest.raises(ValueError, match="the grid has its own values of `train.lr`"):
        gpicl.sweep(SPEC, out=tmp_path / "out", train={"lr": 0.1})
    with pytest.raises(ValueError, match="holds another sweep"):
        gpicl.sweep({**SPEC, "grid": {"train.lr": [0.5]}}, out=swept.path)
    with pytest.raises(ValueError, match="`local.jobs`: is 0; give at least 1"):
        gpicl.sweep(SPEC, out=tmp_path / "out", jobs=0)
    with pytest.raises(ValueError, match="is no sweep"):
        gpicl.Sweep(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere: cannot open"):
        gpicl.Sweep(tmp_path / "nowhere")
    with pytest.raises(TypeError, match="spec: is 5; give a file, or its content"):
        gpicl.sweep(5)
    with pytest.raises(ValueError, match="`nope` is none; choose one of transition-map"):
        gpicl.reproduce("nope", out=tmp_path / "figure")
    with pytest.raises(ValueError, match="scale: `huge` is none; choose one of cpu, paper"):
        gpicl.reproduce("bias", scale="huge", out=tmp_path / "figure")


def test_ctrl_c_ends_a_sweep_with_the_steps_saved(tmp_path):
    program = f"""
import sys, gpicl
gpicl.sweep({ {**SPEC, 'grid': {'train.lr': [0.001]}} !r}, out=sys.argv[1], train={{"steps": 1000000, "checkpoint_every": 1000000}})
"""
    child = subprocess.Popen([sys.executable, "-c", program, tmp_path / "out"], stderr=subprocess.PIPE, text=True)
    assert child.stderr.readline() == f"2 runs in {tmp_path / 'out'}\n"
    deadline = time.monotonic() + 120
    while not any(row.get("step") for row in gpicl.Sweep(tmp_path / "out").results["rows"]):
        assert time.monotonic() < deadline and child.poll() is None
        time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    states = [row["state"] for row in gpicl.Sweep(tmp_path / "out").rows]
    assert "cut" in states and not {"running", "failed", "finished"} & set(states)


def test_ctrl_c_ends_a_comparison_within_a_meta_test(tmp_path, ends_at_ctrl_c):
    """Of one learner that would take hours."""
    methods = [{"name": "small", "label": "Small", "set": {"model": {"d_model": 4}}}]
    spec = {"seeds": [0], "episodes": 1_000_000, "queries": 256, "test_sets": ["random"], "base": BASE, "methods": methods}
    program = f"import sys, gpicl; gpicl.compare({spec!r}, out=sys.argv[1])"
    child = subprocess.Popen([sys.executable, "-c", program, tmp_path / "out"], stderr=subprocess.PIPE, text=True)
    while line := child.stderr.readline():
        if line.startswith("meta-testing"):
            break
    time.sleep(1)
    ends_at_ctrl_c(child)


def test_the_package_has_the_command(swept, tmp_path):
    def say(*args):
        return subprocess.run([sys.executable, "-m", "gpicl", *args], capture_output=True, text=True)

    status = say("sweep", "status", swept.path)
    assert (status.returncode, status.stderr) == (0, "") and "4 runs: 4 finished" in status.stdout
    assert say("--help").stdout.startswith("Meta-train sequence models")
    none = say("sweep", tmp_path / "nowhere.toml")
    assert none.returncode == 2 and "nowhere.toml" in none.stderr
    assert say("sweep", "--nope").returncode == 2
    # Its own sweeps start it again.
    (tmp_path / "spec.toml").write_text(TOML)
    assert say("sweep", tmp_path / "spec.toml", "--out", tmp_path / "out").returncode == 0
    assert (tmp_path / "out" / "results.csv").read_bytes() == (swept.path / "results.csv").read_bytes()
