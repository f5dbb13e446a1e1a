"""General-purpose in-context learning: a classifier that was meta-trained, tasks as arrays, runs from a notebook."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpicl import tasks
    from gpicl._classifier import GPICLClassifier
    from gpicl._experiments import Comparison, Reproduction, Sweep, compare, reproduce, sweep
    from gpicl._run import Run, train

    __version__: str

__all__ = [
    "Comparison",
    "GPICLClassifier",
    "Reproduction",
    "Run",
    "Sweep",
    "__version__",
    "compare",
    "reproduce",
    "sweep",
    "tasks",
    "train",
]

_PLACES = {
    "GPICLClassifier": "_classifier",
    "Run": "_run",
    "train": "_run",
    **dict.fromkeys(("Comparison", "Reproduction", "Sweep", "compare", "reproduce", "sweep"), "_experiments"),
}


# The command, which a sweep starts once a run, needs none of what these import.
def __getattr__(name: str) -> Any:
    if name == "tasks":
        return import_module("gpicl.tasks")
    if name == "__version__":
        return version("gpicl")
    if name not in _PLACES:
        raise AttributeError(f"module 'gpicl' has no attribute {name!r}")
    return getattr(import_module(f"gpicl.{_PLACES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
