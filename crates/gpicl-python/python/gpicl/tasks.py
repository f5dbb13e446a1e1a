"""Distributions of tasks as arrays: what meta-training draws, for anybody's model."""

from __future__ import annotations

import copy
import json
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from os import PathLike
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gpicl import _gpicl
from gpicl._threads import threads

__all__ = ["TaskDistribution"]

#: Batches that are made at a time: while one is handed over, the threads have work.
_AHEAD = 2

#: Label slots of own arrays; more are a gap in the numbers.
_MOST_CLASSES = 1 << 16

#: Episodes are numbered by 64 bits.
_MOST_EPISODES = 1 << 64

Batch = tuple[NDArray[np.float32], NDArray[np.int64]]


class _Arrays:
    """Memory for inputs, given out again when nobody else holds any of it: fresh memory costs a fault of the page every 4 KiB."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._shape = shape
        self._lock = Lock()
        # Anything that is held here and nowhere else, to see how many references that is.
        self._made: deque[NDArray[np.float32]] = deque([np.empty(0, dtype=np.float32)])
        self._alone = self._references(0)
        self._made = deque(maxlen=2 * _AHEAD)

    def _references(self, at: int) -> int:
        return sys.getrefcount(self._made[at])

    def take(self) -> NDArray[np.float32]:
        """An array with any contents. What is given out is a view, which holds the memory and has a shape of its own."""
        # A process forked meanwhile would wait for ever.
        if not self._lock.acquire(blocking=False):
            return np.empty(self._shape, dtype=np.float32)
        try:
            for at in range(len(self._made)):
                if self._references(at) <= self._alone:
                    return self._made[at].view()
            # The oldest are somebody's to keep.
            self._made.append(np.empty(self._shape, dtype=np.float32))
            return self._made[-1].view()
        finally:
            self._lock.release()


def _sort(array: Any) -> str:
    return f"an array of {array.dtype} {array.shape}" if isinstance(array, np.ndarray) else f"a {type(array).__name__}"


def assignments(fields: dict[str, Any], place: str = "") -> list[str]:
    """Fields as the command's ``--set`` takes them.

    Parameters
    ----------
    fields : dict
        Values by names, ``{"train": {"lr": 0.001}}`` or ``{"train.lr": 0.001}``.
    place : str
        What all names begin with.

    Returns
    -------
    list of str
        ``train.lr=0.001``
    """
    found: list[str] = []
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            found += assignments(value, f"{place}{name}.")
        else:
            found.append(f"{place}{name}={toml(value)}")
    return found


def toml(value: Any) -> str:
    """A value as TOML has it, on one line.

    Parameters
    ----------
    value : bool, number, str, array, iterable or dict
        Names in a dictionary may be dotted.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        For None and anything else that TOML has no form for.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, np.generic):
        return toml(value.item())
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {toml(item)}" for name, item in value.items()) + "}"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (str, PathLike)):
        # The escapes of a JSON string are TOML's, too.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Iterable):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    raise ValueError(f"{value!r}: TOML has no such value; give a truth value, number, text, list or dictionary, or leave the field out")


class TaskDistribution:
    """Tasks over a data set: its inputs projected by a random matrix, its labels permuted, of every task in another way.

    A batch is a pure function of the distribution and its index, and the same as that of a run of the command with these
    fields.

    Parameters
    ----------
    data : str or (inputs, labels)
        A data set as the command takes it, ``mnist``, ``glyphs@7``, ``csv:FILE``, ``npz:FILE``, or own arrays: inputs of shape
        (n, features) and integer labels of shape (n,).
    batch : int, default=64
        Episodes in a batch, B.
    mode : {"train", "seen", "unseen"}
        Meta-training's episodes, or a meta-test's of tasks that it draws or never does.
    seed : int, default=0
        Seed of tasks and examples.
    data_dir : str or path, optional
        Where data sets are.
    n_jobs : int, optional
        Threads; None is all cores.
    **fields
        Fields of the ``[tasks]`` table: ``count``, ``episode_length``, ``input_dim``, ``project``, ``permute``, ..

    Attributes
    ----------
    shape : (int, int, int)
        Episodes, examples of each, numbers of an input: (B, N, D).
    classes : int
        Label slots; labels are below it.
    """

    def __init__(
        self,
        data: str | tuple[ArrayLike, ArrayLike] = "glyphs",
        *,
        batch: int = 64,
        mode: str = "train",
        seed: int = 0,
        data_dir: str | os.PathLike[str] | None = None,
        n_jobs: int | None = None,
        **fields: Any,
    ) -> None:
        fields = {"seed": seed, **fields}
        settings = [f"train.batch={batch}", f"seed={seed}", *assignments(fields, "tasks.")]
        if isinstance(data, str):
            self._take(("configured", (None, None, settings, data_dir, mode, data)), n_jobs)
        else:
            if not isinstance(data, (tuple, list)) or len(data) != 2 or isinstance(data[0], str):
                raise TypeError(f"data: is {data!r:.80}; give the name of a data set, FORMAT:FILE, or (inputs, labels)")
            inputs, labels = data
            try:
                inputs = np.asarray(inputs)
            except RuntimeError as error:
                raise TypeError(f"inputs: are no array of numbers ({error}); give one of numpy") from error
            if inputs.dtype.kind not in "fiub":
                raise ValueError(f"inputs: are {inputs.dtype}; give numbers, of shape (n, features)")
            # Its own: a pickle is made of it, whatever becomes of the caller's.
            inputs = np.array(inputs, dtype=np.float32, order="C")
            labels = np.asarray(labels)
            if labels.ndim != 1 or labels.dtype.kind not in "iu" or len(labels) == 0 or labels.min() < 0:
                raise ValueError(f"labels: {labels.dtype} of shape {labels.shape}; give whole numbers from 0, of shape (n,)")
            if len(inputs) != len(labels):
                raise ValueError(f"inputs: are {len(inputs)} rows for {len(labels)} labels; give as many")
            classes = int(labels.max()) + 1
            if classes > _MOST_CLASSES:
                raise ValueError(f"labels: reach {classes - 1}; number them without gaps, below {_MOST_CLASSES}")
            inputs = inputs.reshape(len(inputs), -1)
            self._take(("over", (inputs, labels.astype(np.uint32), classes, settings, mode)), n_jobs)

    def _take(self, recipe: tuple[str, tuple[Any, ...]], n_jobs: int | None) -> None:
        """Makes the native half of what it is made from, which a pickle has instead of it."""
        self._recipe, self.n_jobs = recipe, threads(n_jobs)
        name, arguments = recipe
        self._native: _gpicl.Batches = getattr(_gpicl.Batches, name)(*arguments)
        self.shape, self.classes = self._native.shape, self._native.classes
        self._arrays = _Arrays(self.shape)

    def __getstate__(self) -> tuple[tuple[str, tuple[Any, ...]], int | None]:
        return self._recipe, self.n_jobs

    def __setstate__(self, state: tuple[tuple[str, tuple[Any, ...]], int | None]) -> None:
        self._take(*state)

    @classmethod
    def from_config(
        cls,
        config: str | os.PathLike[str] | None = None,
        *,
        preset: str | None = None,
        mode: str = "train",
        data_dir: str | os.PathLike[str] | None = None,
        n_jobs: int | None = None,
        **set: Any,
    ) -> TaskDistribution:
        """What ``gpicl train`` would draw from: one source, a mixture, the prior of tables.

        Parameters
        ----------
        config : str or path, optional
            A TOML file, as a run's ``config.toml``.
        preset : str, optional
            A configuration that comes along; the file is laid on it.
        mode, data_dir, n_jobs
            As in the class.
        **set
            Fields on top of both: ``mix=[{"prior": {}}]``, ``train={"batch": 8}``.

        Returns
        -------
        TaskDistribution
            Its batch ``i`` is that of the run's step ``i + 1``.
        """
        made = cls.__new__(cls)
        made._take(("configured", (preset, config, assignments(set), data_dir, mode, None)), n_jobs)
        return made

    def with_jobs(self, n_jobs: int | None) -> TaskDistribution:
        """The same batches, made on ``n_jobs`` threads.

        Parameters
        ----------
        n_jobs : int, optional
            As in the class.

        Returns
        -------
        TaskDistribution
        """
        made = copy.copy(self)
        made.n_jobs = threads(n_jobs)
        return made

    def __copy__(self) -> TaskDistribution:
        # Shares the data, which nobody changes.
        made = type(self).__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def batch(self, index: int, out: Batch | None = None) -> Batch:
        """Batch number ``index``: the same whenever it is made.

        Parameters
        ----------
        index : int
            From 0.
        out : (inputs, labels), optional
            Arrays to write to, of the shapes and types below and contiguous.

        Returns
        -------
        inputs : ndarray of shape (B, N, D), float32
        labels : ndarray of shape (B, N), int64
        """
        if not isinstance(index, (int, np.integer)):
            raise TypeError(f"index: is {index!r}; give a whole number")
        most = _MOST_EPISODES // self.shape[0] - 1
        if not 0 <= index <= most:
            raise ValueError(f"index: is {index}; give a whole number from 0 to {most}")
        if out is None:
            out = (np.empty(self.shape, dtype=np.float32), np.empty(self.shape[:2], dtype=np.int64))
        if not isinstance(out, (tuple, list)) or len(out) != 2:
            raise TypeError(f"out: is a {type(out).__name__}; give the arrays (inputs, labels)")
        wanted = [(np.float32, self.shape), (np.int64, self.shape[:2])]
        for array, (dtype, shape) in zip(out, wanted):
            if not isinstance(array, np.ndarray) or array.dtype != dtype or array.shape != shape:
                raise ValueError(f"out: has {_sort(array)}; give arrays of float32 {self.shape} and int64 {self.shape[:2]}")
        if not all(array.flags.c_contiguous for array in out):
            raise ValueError("out: has an array that is not contiguous in C's order; give one of numpy.empty(shape, dtype)")
        self._native.fill(index, *out, self.n_jobs)
        return out

    def batches(self, start: int = 0, stop: int | None = None, step: int = 1) -> Iterator[Batch]:
        """Batches in order, the next ones made while the last is used.

        The memory of inputs that nobody holds any more is used again; up to four batches of it stay with this object.

        Parameters
        ----------
        start, stop, step : int
            Which indices; without ``stop`` they do not end.

        Yields
        ------
        inputs : ndarray of shape (B, N, D), float32
        labels : ndarray of shape (B, N), int64
        """
        indices = count(start, step) if stop is None else iter(range(start, stop, step))
        with ThreadPoolExecutor(_AHEAD) as pool:
            coming = deque(pool.submit(self._next, index) for index in islice(indices, _AHEAD))
            while coming:
                now = coming.popleft().result()
                coming.extend(pool.submit(self._next, index) for index in islice(indices, 1))
                yield now
                # Not held while the next one is waited for.
                del now

    def _next(self, index: int) -> Batch:
        return self.batch(index, (self._arrays.take(), np.empty(self.shape[:2], dtype=np.int64)))

    def __iter__(self) -> Iterator[Batch]:
        return self.batches()
