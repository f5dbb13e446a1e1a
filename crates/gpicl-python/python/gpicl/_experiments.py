"""Experiments of many runs, from a notebook: sweeps, comparisons, the paper's figures."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gpicl import _gpicl
from gpicl._frames import Curves, Framed, Rows, axes
from gpicl._program import PROGRAM
from gpicl._run import Run
from gpicl.tasks import assignments, toml

PathLike = str | os.PathLike[str]


class Spec(NamedTuple):
    """Where a spec is from; one of the three."""

    file: PathLike | None
    preset: str | None
    text: str | None

    @classmethod
    def of(cls, spec: PathLike | Mapping[str, Any] | None, preset: str | None) -> Spec:
        """That of what a function is given: a path, or the spec itself as a dictionary."""
        if isinstance(spec, Mapping):
            return cls(None, preset, "".join(f"{name} = {toml(value)}\n" for name, value in spec.items()))
        if not isinstance(spec, (str, os.PathLike, type(None))):
            raise TypeError(f"spec: is {spec!r}; give a file, or its content as a dictionary")
        return cls(spec, preset, None)


class Machine(NamedTuple):
    """Who meta-trains: what starts the command, and how its processes share this machine."""

    program: str
    words: list[str]
    jobs: int | None
    threads: int | None
    population: int | None


def _machine(jobs: int | None, threads: int | None = None, population: int | None = None) -> Machine:
    for name, value in (("jobs", jobs), ("threads", threads), ("population", population)):
        if value is not None and (not isinstance(value, int) or value < 0):
            raise ValueError(f"{name}: is {value!r}; give a whole number from 1")
    return Machine(*PROGRAM, jobs, threads, population)


def _hear(progress: bool) -> Callable[[str], object] | None:
    return (lambda remark: print(remark, file=sys.stderr, flush=True)) if progress else None


def _typed(cell: str) -> Any:
    """A cell of one of our CSV files: missing, a whole number, a number, or a text."""
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            pass
    return cell or None


def _table(text: str) -> Rows:
    return Rows({name: _typed(cell) for name, cell in row.items()} for row in csv.DictReader(io.StringIO(text)))


class Sweep(Framed):
    """A sweep's folder, finished or not.

    Parameters
    ----------
    path : str or path
        The folder.

    Attributes
    ----------
    path : Path
        The folder.
    results : dict
        What came of the runs when this was read, as ``results.json`` has it.
    rows : Rows
        A row a run, with the columns of ``results.csv``: what sets it apart, ``state``, and what it amounts to. ``rows.frame()`` is a frame.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        results, text = _gpicl.sweep_results(self.path)
        self.results: dict[str, Any] = json.loads(results)
        # Fields keep the types that the spec has.
        points = [row["point"] for row in self.results["rows"]]
        fields = {name for point in points for name in point}
        self.rows = Rows(
            {name: point.get(name) if name in fields else cell for name, cell in row.items()}
            for point, row in zip(points, _table(text))
        )

    def __repr__(self) -> str:
        return f"Sweep({str(self.path)!r})"

    @property
    def runs(self) -> dict[str, Run]:
        """The finished runs by their ids."""
        return {row["id"]: Run(self.path / "runs" / row["id"]) for row in self.rows if row["state"] == "finished"}

    @property
    def failed(self) -> dict[str, str]:
        """The errors of the runs that failed, by their ids."""
        return {row["id"]: row["error"] for row in self.results["rows"] if row["state"] == "failed"}

    def plot(self, x: str, y: str = "unseen_last_10", ax: Any = None) -> Any:
        """Draws a result against a field: the mean over seeds, a line for every point of the other fields.

        Parameters
        ----------
        x : str
            A field that the sweep varies, ``train.lr``.
        y : str
            A column of :attr:`rows`.
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure's.

        Returns
        -------
        matplotlib Axes
        """
        fields = list(dict.fromkeys(name for row in self.results["rows"] for name in row["point"]))
        if not any(row["state"] == "finished" for row in self.rows):
            raise ValueError(f"{self.path}: no run of the sweep is finished")
        _choose("x", x, fields)
        _choose("y", y, self.rows[0])
        lines: dict[str, dict[Any, list[float]]] = {}
        for row in self.rows:
            if row[x] is not None and row[y] is not None:
                others = ", ".join(f"{name}={row[name]}" for name in fields if name != x and row[name] is not None)
                lines.setdefault(others, {}).setdefault(row[x], []).append(row[y])
        ax = axes(ax)
        for name, points in lines.items():
            ax.plot(list(points), [sum(values) / len(values) for values in points.values()], "o-", label=name or None)
        ax.set(xlabel=x, ylabel=y)
        if len(lines) > 1:
            ax.legend()
        return ax


def _choose(what: str, name: str, among: Iterable[str]) -> None:
    if name not in among:
        raise ValueError(f"{what}: `{name}` is none; choose one of {', '.join(among)}")


class Comparison(Framed):
    """Learners side by side on the same episodes.

    Attributes
    ----------
    path : Path
        The folder, with ``table.md``, ``table.csv`` and the figures.
    results : dict
        All of it: ``sets``, ``methods`` with their curves, ``differences``.
    rows : Rows
        A row for every learner and set: accuracy after none, all, and the mean of the last ten numbers of examples, each with its interval,
        and the learner's size. ``rows.frame()`` is a frame.
    """

    def __init__(self, path: PathLike, results: dict[str, Any]) -> None:
        self.path, self.results = Path(path), results
        self.rows = Rows()
        for method in results["methods"]:
            measured = method["outcome"].get("measured", {"size": None, "curves": []})
            size = measured["size"] or {"params": None, "state": None}
            for column, curve in zip(results["sets"], measured["curves"]):
                if curve is not None:
                    what = {"learner": method["name"], "label": method["label"], "kind": method["kind"], "set": column["name"]}
                    scores = {name: curve["summary"][name] for name in ("first", "last", "last_10")}
                    self.rows.append({**what, **scores, **size})

    def __repr__(self) -> str:
        return f"Comparison({str(self.path)!r})"

    @property
    def failed(self) -> dict[str, str]:
        """The errors of the learners that failed, by their names."""
        methods = self.results["methods"]
        return {method["name"]: method["outcome"]["failed"] for method in methods if "failed" in method["outcome"]}

    def curves(self, set: str | None = None) -> Curves:
        """Learning curves by the learners' labels.

        Parameters
        ----------
        set : str, optional
            Name of the set; by default the first that is there.

        Returns
        -------
        Curves
        """
        names = [column["name"] for column in self.results["sets"] if column["present"]]
        _choose("set", set or names[0], names)
        at = next(at for at, column in enumerate(self.results["sets"]) if column["name"] == (set or names[0]))
        measured = [method for method in self.results["methods"] if "measured" in method["outcome"]]
        return Curves((method["label"], method["outcome"]["measured"]["curves"][at]) for method in measured)

    def plot(self, set: str | None = None, ax: Any = None) -> Any:
        """Draws the learning curves of all learners on one set.

        Parameters
        ----------
        set : str, optional
            As in :meth:`curves`.
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure's.

        Returns
        -------
        matplotlib Axes
        """
        return self.curves(set).plot(ax)


class Reproduction(Framed):
    """A figure of the paper, made again and judged. A notebook shows its picture.

    Attributes
    ----------
    path : Path
        The folder, with the data, the picture and ``verdict.txt``.
    verdict : dict
        ``answer``, and ``checks``: each statement of the ``paper``, the ``rule`` it is judged by, what was ``found``, and whether it ``holds``.
    files : list of Path
        What was written.
    failed : dict
        The errors of the runs that the figure is made without, by their ids.
    rows : Rows
        The figure's data. ``rows.frame()`` is a frame.
    """

    def __init__(self, path: PathLike, results: dict[str, Any]) -> None:
        self.path, self.verdict = Path(path), results["verdict"]
        self.files = [Path(file) for file in results["files"]]
        self.failed: dict[str, str] = {failure["run"]: failure["error"] for failure in results["failed"]}
        self.rows = _table(self._file(".csv").read_text(encoding="utf-8"))

    def __repr__(self) -> str:
        return f"Reproduction({str(self.path)!r}): {self.verdict['answer']}"

    def _file(self, ending: str) -> Path:
        """The first file with this ending in the folder itself."""
        return next(file for file in self.files if file.suffix == ending and file.parent == self.path)

    def _repr_png_(self) -> bytes:
        return self._file(".png").read_bytes()

    def plot(self, ax: Any = None) -> Any:
        """Shows the picture that was made.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where; by default a new figure's.

        Returns
        -------
        matplotlib Axes
        """
        from matplotlib import pyplot

        ax = axes(ax)
        ax.imshow(pyplot.imread(self._file(".png")))
        ax.axis("off")
        return ax


def sweep(
    spec: PathLike | Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    out: PathLike | None = None,
    jobs: int | None = None,
    threads: int | None = None,
    population: int | None = None,
    retry_failed: bool = False,
    data_dir: PathLike | None = None,
    progress: bool = True,
    **set: Any,
) -> Sweep:
    """Meta-trains many runs on this machine, as ``gpicl sweep`` does: every point of a grid, or a list, of any fields.

    Ctrl-C ends it with the steps of all runs saved; the same call goes on. A run that fails does not end it: see ``Sweep.failed``.

    Parameters
    ----------
    spec : str, path or dict, optional
        A TOML file, its content as a dictionary (``{"base": .., "grid": {"train.lr": [0.001, 0.01]}, "seeds": [0, 1]}``), or the
        folder of a sweep to go on with.
    preset : str, optional
        Instead, a sweep that comes along: ``tiny``, ``mixture``, ``recurrent-rates``, ``shifted-tokens``.
    out : str or path, optional
        The folder; by default sweep-NAME below ``runs``.
    jobs, threads, population : int, optional
        Processes at a time, threads of each, and runs in each; by default as the spec has it, or as many processes as cores.
    retry_failed : bool, default=False
        Whether runs that failed before are begun again.
    data_dir : str or path, optional
        Where data sets are.
    progress : bool, default=True
        Whether remarks are printed, to standard error.
    **set
        Fields laid on the base of all runs: ``train={"steps": 100}``.

    Returns
    -------
    Sweep
    """
    machine = _machine(jobs, threads, population)
    source, fields = Spec.of(spec, preset), assignments(set)
    return Sweep(_gpicl.sweep(source, fields, out, machine, retry_failed, data_dir, _hear(progress)))


def compare(
    spec: PathLike | Mapping[str, Any] | None = None,
    *,
    preset: str | None = None,
    out: PathLike | None = None,
    jobs: int | None = None,
    data_dir: PathLike | None = None,
    progress: bool = True,
    **set: Any,
) -> Comparison:
    """Meta-trains learners and meta-tests them on the same episodes, as ``gpicl compare`` does.

    Ctrl-C ends it with the steps of all runs saved; the same call goes on. A learner that fails does
    not end it: see ``Comparison.failed``.

    Parameters
    ----------
    spec : str, path or dict, optional
        A TOML file, or its content as a dictionary.
    preset : str, optional
        Instead, a comparison that comes along: ``glyphs``, ``mnist``, ``best``.
    out : str or path, optional
        The folder; by default compare-NAME below ``runs``.
    jobs : int, optional
        Runs to meta-train at a time; 1 if absent.
    data_dir : str or path, optional
        Where data sets are.
    progress : bool, default=True
        Whether remarks are printed, to standard error.
    **set
        Fields laid on the base of all runs: ``train={"steps": 100}``.

    Returns
    -------
    Comparison
    """
    source, fields = Spec.of(spec, preset), assignments(set)
    path, results = _gpicl.compare(source, fields, out, _machine(jobs), data_dir, _hear(progress))
    return Comparison(path, json.loads(results))


def reproduce(
    figure: str,
    *,
    scale: str = "cpu",
    spec: PathLike | None = None,
    out: PathLike | None = None,
    jobs: int | None = None,
    threads: int | None = None,
    population: int | None = None,
    retry_failed: bool = False,
    data_dir: PathLike | None = None,
    progress: bool = True,
    **set: Any,
) -> Reproduction:
    """Makes a figure of the paper again and judges the paper's statements, as ``gpicl reproduce`` does.

    Ctrl-C ends it with the steps of all runs saved; the same call goes on.

    Parameters
    ----------
    figure : str
        ``transition-map``, ``learning-curves``, .., ``table``; an error lists them.
    scale : {"cpu", "paper"}
        Within about an hour on two cores, or the paper's sizes, which need GPUs.
    spec : str or path, optional
        A TOML file with other runs than the figure's own.
    out : str or path, optional
        The folder; by default reproduce-FIGURE-SCALE below ``runs``.
    jobs, threads, population : int, optional
        As in :func:`sweep`.
    retry_failed, data_dir, progress
        As in :func:`sweep`.
    **set
        Fields laid on the base of all runs: ``train={"steps": 3}``.

    Returns
    -------
    Reproduction
    """
    machine, fields = _machine(jobs, threads, population), assignments(set)
    path, results = _gpicl.reproduce(figure, scale, spec, fields, out, machine, retry_failed, data_dir, _hear(progress))
    return Reproduction(path, json.loads(results))
