"""Tasks as arrays."""

import pickle

from pathlib import Path

import numpy as np
import pytest

from gpicl.tasks import TaskDistribution, assignments


def test_a_batch_is_a_function_of_its_index():
    tasks = TaskDistribution("glyphs", batch=3, episode_length=20, seed=4)
    assert tasks.shape[:2] == (3, 20)
    inputs, labels = tasks.batch(5)
    assert (inputs.shape, inputs.dtype, labels.shape, labels.dtype) == (tasks.shape, np.float32, (3, 20), np.int64)
    assert labels.min() >= 0 and labels.max() < tasks.classes
    out = np.zeros_like(inputs), np.zeros_like(labels)
    assert tasks.batch(5, out) is out
    for other in (out, pickle.loads(pickle.dumps(tasks)).batch(5), list(tasks.batches(3, 6))[2], tasks.with_jobs(1).batch(5)):
        np.testing.assert_array_equal(other[0], inputs)
        np.testing.assert_array_equal(other[1], labels)
    assert not np.array_equal(tasks.batch(6)[0], inputs)
    unseen = TaskDistribution("glyphs", batch=3, episode_length=20, seed=4, mode="unseen")
    assert not np.array_equal(unseen.batch(5)[0], inputs)


def test_memory_that_nobody_holds_is_used_again_and_no_other():
    tasks = TaskDistribution("glyphs", batch=2, episode_length=20)
    memory = lambda array: id(array.base)
    assert len({memory(inputs) for inputs, _ in tasks.batches(stop=40)}) <= 4
    for inputs, _ in tasks.batches(stop=8):
        inputs.shape = (-1, 4)
        inputs.setflags(write=False)
    kept, copies = [], []
    for inputs, _ in tasks.batches(stop=12):
        assert inputs.shape == tasks.shape and inputs.flags.writeable
        kept.append(inputs[1:])  # a view
        copies.append(inputs[1:].copy())
    later = [inputs for inputs, _ in tasks.batches(stop=12)]
    assert len({memory(array) for array in [*kept, *later]}) == 24
    for index, (array, copy, again) in enumerate(zip(kept, copies, later)):
        np.testing.assert_array_equal(array, copy)
        np.testing.assert_array_equal(again, tasks.batch(index)[0])
    # Where another thread is at it, memory is fresh.
    with tasks._arrays._lock:
        assert tasks._arrays.take().base is None


def test_tasks_over_own_arrays_project_inputs_and_permute_labels():
    """Of a data set of unit vectors a task shows the columns of its projection: of one task always the same."""
    size = 12
    data = np.eye(size, dtype=np.float32), np.arange(size)
    tasks = TaskDistribution(data, batch=2, count=1, episode_length=size, input_dim=30)
    (inputs, labels), (later, later_labels) = tasks.batch(0), tasks.batch(1)
    assert inputs.shape == (2, size, 30)
    for inputs_of, labels_of in [(inputs[1], labels[1]), (later[0], later_labels[0])]:
        np.testing.assert_array_equal(inputs_of[np.argsort(labels_of)], inputs[0][np.argsort(labels[0])])
    assert not np.array_equal(labels[0], labels[1])
    plain = TaskDistribution(data, batch=1, episode_length=size, project=False, permute=False)
    inputs, labels = plain.batch(0)
    np.testing.assert_array_equal(inputs[0], data[0][labels[0]])


def test_mixtures_and_the_prior_of_tables_are_sources():
    prior = {"weight": 2.0, "prior": {"episode_length": 30}}
    made = TaskDistribution.from_config(mix=[prior], model={"kind": "cells"}, train={"batch": 4})
    inputs, labels = made.batch(0)
    assert inputs.shape[:2] == (4, 30) == labels.shape
    assert np.isfinite(inputs).any() and (labels >= 0).all()


def test_own_arrays_and_given_ones_are_not_mistaken():
    rng = np.random.default_rng(0)
    inputs, labels = rng.standard_normal((30, 4)).astype(np.float32), np.arange(30) % 3
    tasks = TaskDistribution((inputs, labels), batch=2, episode_length=10)
    first = tasks.batch(0)[0]
    inputs[:] = 0
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(tasks)).batch(0)[0], first)
    turned = np.empty(tasks.shape, dtype=np.float32, order="F"), np.empty(tasks.shape[:2], dtype=np.int64)
    with pytest.raises(ValueError, match="out: has an array that is not contiguous"):
        tasks.batch(0, out=turned)
    with pytest.raises(ValueError, match="labels: reach 2000000000; number them without gaps"):
        TaskDistribution((inputs, labels * 10**9), batch=2, episode_length=10)


def test_any_number_of_threads_makes_the_same_batch():
    tasks = TaskDistribution("glyphs", batch=2, episode_length=20)
    for n_jobs in (1, 3, 10**7, -(10**7)):
        np.testing.assert_array_equal(tasks.with_jobs(n_jobs).batch(0)[0], tasks.batch(0)[0])
    for n_jobs, error in ((0, ValueError), (10**30, ValueError), ("2", TypeError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="n_jobs"):
            tasks.with_jobs(n_jobs)
        with pytest.raises(error, match="n_jobs"):
            TaskDistribution("glyphs", n_jobs=n_jobs)


def test_what_cannot_be_is_an_error():
    with pytest.raises(ValueError, match="mode: `both` is none"):
        TaskDistribution("glyphs", mode="both")
    with pytest.raises(ValueError, match="tasks.episode_length"):
        TaskDistribution("glyphs", episode_length=1)
    with pytest.raises(ValueError, match="nonsense"):
        TaskDistribution("glyphs", nonsense=1)
    with pytest.raises(ValueError, match="labels"):
        TaskDistribution((np.eye(3), [0.5, 1.0, 2.0]))
    tasks = TaskDistribution("glyphs", batch=2, episode_length=5)
    for inputs in (np.zeros((1, 5, 4), np.float32), np.zeros(tasks.shape), [1.0]):
        with pytest.raises(ValueError, match="out: has .*; give arrays of float32"):
            tasks.batch(0, (inputs, np.zeros((2, 5), np.int64)))
    with pytest.raises(TypeError, match="out: is a ndarray; give the arrays"):
        tasks.batch(0, np.zeros(tasks.shape, np.float32))
    # Their episodes would be those of another batch.
    for index in (-1, 2**63, 2**64):
        with pytest.raises(ValueError, match="index: is .*; give a whole number from 0 to 9223372036854775807"):
            tasks.batch(index)
    assert np.any(tasks.batch(2**63 - 1)[0] != tasks.batch(0)[0])
    for data in (None, 3, Path("x.csv"), ["glyphs", "mnist"], (1, 2, 3)):
        with pytest.raises(TypeError, match="data: is .*; give the name of a data set"):
            TaskDistribution(data)
    with pytest.raises(ValueError, match="inputs: are datetime64"):
        TaskDistribution((np.zeros((3, 1), "M8[s]"), [0, 1, 2]))
    with pytest.raises(ValueError, match="inputs: are 2 rows for 3 labels"):
        TaskDistribution((np.zeros((2, 4)), [0, 1, 2]))
    with pytest.raises(ValueError, match="write csv:FILE"):
        TaskDistribution("csv")


def test_data_sets_have_the_command_s_short_forms(tmp_path):
    path = tmp_path / "a table.csv"
    path.write_text("x,y,label\n" + "".join(f"{row % 5},{row % 7},{'ab'[row % 2]}\n" for row in range(60)))
    tasks = TaskDistribution(f"csv:{path}", batch=2, episode_length=5)
    assert tasks.shape == (2, 5, 2) and tasks.classes == 2
    fields = {"train.batch": 2, "tasks.episode_length": 5}
    by_fields = TaskDistribution.from_config(data={"name": "csv", "path": path}, **fields)
    np.testing.assert_array_equal(tasks.batch(3)[0], by_fields.batch(3)[0])
    other = TaskDistribution("glyphs@7", batch=2, episode_length=5)
    by_fields = TaskDistribution.from_config(data={"name": "glyphs", "seed": 7}, **fields)
    np.testing.assert_array_equal(other.batch(0)[0], by_fields.batch(0)[0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(other)).batch(0)[0], other.batch(0)[0])


def test_fields_are_written_as_toml():
    fields = {"train": {"lr": 1e-3, "steps": 5}, "data.name": 'a "b"', "mix": [{"prior": {}}], "tasks": {"project": True}}
    assert assignments(fields) == [
        "train.lr=0.001", "train.steps=5", 'data.name="a \\"b\\""', "mix=[{prior = {}}]", "tasks.project=true"
    ]
    grid = {"train.lr": np.array([0.1, 0.01]), "seeds": range(3), "data.path": Path("a\nb")}
    assert assignments(grid) == ["train.lr=[0.1, 0.01]", "seeds=[0, 1, 2]", 'data.path="a\\nb"']
    with pytest.raises(ValueError, match="None: TOML has no such value"):
        assignments({"data.resize": None})


def test_pytorch_s_workers_make_the_same_batches_in_order():
    torch = pytest.importorskip("torch")
    from gpicl.torch import TaskDataset

    tasks = TaskDistribution("glyphs", batch=2, episode_length=8)
    # The parent has threads by now; workers that are forked do not.
    wanted = [tasks.batch(index) for index in range(5)]
    for workers in (0, 2):
        loader = torch.utils.data.DataLoader(TaskDataset(tasks, 0, 5), batch_size=None, num_workers=workers)
        found = list(loader)
        assert len(found) == len(wanted)
        for (inputs, labels), (x, y) in zip(found, wanted):
            np.testing.assert_array_equal(inputs.numpy(), x)
            np.testing.assert_array_equal(labels.numpy(), y)
