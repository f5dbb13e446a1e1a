"""Runs: meta-trained from a notebook, read, drawn."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm.auto import tqdm

from gpicl import _gpicl
from gpicl._classifier import GPICLClassifier
from gpicl._frames import Curves, Rows
from gpicl.tasks import assignments


class Run:
    """A run's folder.

    Parameters
    ----------
    path : str or path
        The folder.

    Attributes
    ----------
    path : Path
        The folder.
    config : dict
        The complete configuration, tables as dictionaries.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config: dict[str, Any] = json.loads(_gpicl.config_json(self.path))

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def metrics(self) -> Rows:
        """The lines of ``metrics.jsonl``, a dictionary each; ``metrics.frame()`` is a frame."""
        # The last one is being written as long as it has no end.
        return Rows(json.loads(line) for line in self._read("metrics.jsonl").split("\n")[:-1])

    @property
    def results(self) -> dict[str, Any]:
        """The final meta-test, ``results.json``."""
        found: dict[str, Any] = json.loads(self._read("results.json"))
        return found

    def _read(self, name: str) -> str:
        """A file of the folder, which a run has when it comes so far."""
        path = self.path / name
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            message = f"{path}: is not there yet; `gpicl resume {self.path}` meta-trains the run to its end"
            raise FileNotFoundError(message) from None

    @property
    def curves(self) -> Curves:
        """The learning curves of the final meta-test by the names of their sets; ``curves.frame()`` is a frame."""
        return Curves((curve["label"], curve) for curve in self.results["curves"])

    def state_dict(self, step: int | None = None) -> dict[str, NDArray[np.float32]]:
        """The weights of the newest checkpoint, or of the one at ``step``.

        A linear map's weight is ``[in, out]``. ``examples/transformer.py`` loads those of a Transformer into PyTorch.

        Parameters
        ----------
        step : int, optional
            Steps that the checkpoint has behind it.

        Returns
        -------
        dict
            float32 arrays by the weights' names, those of ``gpicl inspect``.
        """
        return _gpicl.weights(self.path, _step(step))

    def logits(self, inputs: ArrayLike, labels: ArrayLike, step: int | None = None) -> NDArray[np.float32]:
        """What the network predicts at every position of episodes, from the examples before it.

        In the run's own precision: those of ``state_dict()`` in float32 are the same where that is ``fp32``.

        Parameters
        ----------
        inputs : array-like of shape (B, N, D)
            Finite numbers, as :class:`gpicl.tasks.TaskDistribution` makes them; NaN is a missing cell to a learner for
            tables. At most as many examples as an episode of the run has.
        labels : array-like of shape (B, N)
            Whole numbers from 0, below the run's classes.
        step : int, optional
            Steps that the checkpoint has behind it; the newest if absent.

        Returns
        -------
        ndarray of shape (B, N, C), float32
            Those at ``[:, j]`` do not depend on ``labels[:, j:]`` or ``inputs[:, j + 1:]``.
        """
        x, y = _numbers("inputs", inputs, "fiub"), _numbers("labels", labels, "iu")
        if x.ndim != 3 or x.shape[:2] != y.shape:
            raise ValueError(f"inputs: are {x.shape} beside labels of {y.shape}; give (B, N, D) and (B, N)")
        if y.size and not 0 <= y.min() <= y.max() < 2**32:
            raise ValueError(f"labels: reach from {y.min()} to {y.max()}; give those of the run's label slots, from 0")
        if x.size and x.dtype == np.float64 and np.abs(np.where(np.isfinite(x), x, 0)).max() > np.finfo(np.float32).max:
            raise ValueError("inputs: hold numbers that float32 does not; give smaller ones")
        x, y = x.astype(np.float32, order="C"), y.astype(np.uint32, order="C")
        return _gpicl.logits(self.path, x, y, _step(step))

    def plot(self, ax: Any = None) -> Any:
        """Draws the learning curves of the final meta-test: accuracy by examples seen, with 95% intervals.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure's.

        Returns
        -------
        matplotlib Axes
        """
        return self.curves.plot(ax)

    def evaluate(
        self,
        data: str | Sequence[str] = (),
        *,
        episodes: int = 256,
        queries: int = 256,
        split: str = "test",
        seed: int | None = None,
        baselines: str | Sequence[str] = (),
        data_dir: str | os.PathLike[str] | None = None,
    ) -> dict[str, Any]:
        """Meta-tests the newest checkpoint, as ``gpicl eval`` does; nothing is written.

        Ctrl-C is heard between the parts of a batch of episodes.

        Parameters
        ----------
        data : str or sequence of str
            Data sets as the command takes them, ``mnist``, ``csv:FILE``; by default those of the run.
        episodes, queries : int
            Episodes of each set, and fresh examples to ask for after each context.
        split : {"test", "validation"}
            Examples that unseen tasks are made of.
        seed : int, optional
            Seed of the episodes; the run's own if absent.
        baselines : str or sequence of str
            Classical learners to judge on the same episodes.
        data_dir : str or path, optional
            Where data sets are.

        Returns
        -------
        dict
            As :attr:`results`: ``curves``, one a set, and ``baselines``.
        """
        for name, value in (("episodes", episodes), ("queries", queries), ("seed", seed)):
            if value is not None and value < 0:
                raise ValueError(f"{name}: is {value}; give a whole number from 0")
        sets, learners = ([names] if isinstance(names, str) else list(names) for names in (data, baselines))
        said = _gpicl.evaluate([self.path], sets, episodes, queries, split, seed, learners, data_dir)
        found: dict[str, Any] = json.loads(said)
        return found

    def predictor(self, **params: Any) -> GPICLClassifier:
        """The run's newest checkpoint as a classifier.

        Parameters
        ----------
        **params
            Parameters of :class:`gpicl.GPICLClassifier`.

        Returns
        -------
        GPICLClassifier
        """
        return GPICLClassifier(checkpoint=os.fspath(self.path), **params)


def _step(step: int | None) -> int | None:
    """A number of steps, or an error."""
    if step is not None and (isinstance(step, bool) or not isinstance(step, (int, np.integer))):
        raise TypeError(f"step: is {step!r}; give a whole number, or None for the newest")
    if step is not None and not 0 <= step < 2**63:
        raise ValueError(f"step: is {step}; give a whole number from 0")
    return None if step is None else int(step)


def _numbers(name: str, given: ArrayLike, kinds: str) -> NDArray[Any]:
    """An array of numbers of these kinds, or an error that names it."""
    if np.ma.is_masked(given):
        raise ValueError(f"{name}: are masked; give an array without a mask")
    try:
        array = np.asarray(given)
    except Exception as error:
        # Tensors on a device or with a gradient, lists of rows of several lengths.
        raise TypeError(f"{name}: are no array of numbers ({error}); give one of numpy") from error
    if array.dtype.kind not in kinds:
        wanted = "whole numbers" if kinds == "iu" else "numbers"
        raise TypeError(f"{name}: are {array.dtype}; give {wanted}")
    return array


def train(
    config: str | os.PathLike[str] | None = None,
    *,
    run: str | os.PathLike[str],
    preset: str | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    callback: Callable[[dict[str, Any]], object] | None = None,
    progress: bool = True,
    **set: Any,
) -> Run:
    """Meta-trains a model and meta-tests it, as ``gpicl train`` does.

    Ctrl-C, and an error of the callback, end it after the step, with a checkpoint that ``gpicl resume`` goes on from.

    Parameters
    ----------
    config : str or path, optional
        A TOML file.
    run : str or path
        The new folder of the run.
    preset : str, optional
        A configuration that comes along; the file is laid on it. Without both it is ``quickstart``.
    data_dir : str or path, optional
        Where data sets are.
    callback : callable, optional
        Gets a dictionary a step: ``step`` of ``steps``, ``loss`` (nats), ``accuracy_first`` and ``accuracy_last``.
    progress : bool, default=True
        Whether a bar shows how far it is, in a terminal or a notebook.
    **set
        Fields on top of both: ``train={"steps": 100}``, ``seed=1``.

    Returns
    -------
    Run
    """
    if preset is None and config is None:
        preset = "quickstart"
    # None: no bar where nobody sees it, as in a file.
    with tqdm(unit="step", disable=None if progress else True) as bar:

        def hear(said: dict[str, Any]) -> None:
            bar.total = said["steps"]
            bar.set_postfix(loss=f"{said['loss']:.3f}", last=f"{said['accuracy_last']:.2f}", refresh=False)
            bar.update()
            if callback is not None:
                callback(said)

        _gpicl.train(preset, config, assignments(set), run, data_dir, hear)
    return Run(run)
