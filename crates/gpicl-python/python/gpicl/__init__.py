"""General-purpose in-context learning: a classifier that was meta-trained, tasks as arrays, runs from a notebook."""

from gpicl import tasks
from gpicl._classifier import GPICLClassifier
from gpicl._run import Run, train

__all__ = ["GPICLClassifier", "Run", "tasks", "train"]
