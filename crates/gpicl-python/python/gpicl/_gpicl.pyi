from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from gpicl._experiments import Machine, Spec

__all__ = [
    "Batches",
    "Predictor",
    "command",
    "compare",
    "config_json",
    "doubts_of_numbers",
    "doubts_of_queries",
    "evaluate",
    "logits",
    "reproduce",
    "sweep",
    "sweep_results",
    "train",
    "weights",
]

@final
class Predictor:
    MOST_MEMBERS: ClassVar[int]
    def __new__(cls, checkpoint: str | PathLike[str] | None = None) -> Predictor: ...
    @property
    def most_classes(self) -> int: ...
    def least_ensemble(self, classes: int) -> int: ...
    def doubts(self, features: int, classes: int, members: int) -> list[str]: ...
    def encode(
        self,
        names: Sequence[str],
        context: Sequence[Sequence[str]],
        queries: Sequence[Sequence[str]] | None,
        categorical: Sequence[str],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], list[str]]: ...
    def predict_proba(
        self,
        features: NDArray[np.float64],
        labels: NDArray[np.uint32],
        classes: int,
        queries: NDArray[np.float64],
        n_ensemble: int,
        seed: int,
        stack: bool,
        n_jobs: int | None = None,
    ) -> NDArray[np.float32]: ...

@final
class Batches:
    @staticmethod
    def configured(
        preset: str | None,
        config: str | PathLike[str] | None,
        set: Sequence[str],
        data_dir: str | PathLike[str] | None,
        mode: str,
        data: str | None = None,
    ) -> Batches: ...
    @staticmethod
    def over(
        inputs: NDArray[np.float32], labels: NDArray[np.uint32], classes: int, set: Sequence[str], mode: str
    ) -> Batches: ...
    @property
    def shape(self) -> tuple[int, int, int]: ...
    @property
    def classes(self) -> int: ...
    def fill(
        self, index: int, inputs: NDArray[np.float32], labels: NDArray[np.int64], n_jobs: int | None = None
    ) -> None: ...

def command(args: Sequence[str], program: str, words: Sequence[str]) -> int: ...
def sweep(
    spec: Spec,
    set: Sequence[str],
    out: str | PathLike[str] | None,
    machine: Machine,
    retry_failed: bool,
    data_dir: str | PathLike[str] | None,
    hear: Callable[[str], object] | None,
) -> Path: ...
def sweep_results(dir: str | PathLike[str]) -> tuple[str, str]: ...
def compare(
    spec: Spec,
    set: Sequence[str],
    out: str | PathLike[str] | None,
    machine: Machine,
    data_dir: str | PathLike[str] | None,
    hear: Callable[[str], object] | None,
) -> tuple[Path, str]: ...
def reproduce(
    figure: str,
    scale: str,
    spec: str | PathLike[str] | None,
    set: Sequence[str],
    out: str | PathLike[str] | None,
    machine: Machine,
    retry_failed: bool,
    data_dir: str | PathLike[str] | None,
    hear: Callable[[str], object] | None,
) -> tuple[Path, str]: ...
def doubts_of_numbers(names: Sequence[str], rows: NDArray[np.float64]) -> list[str]: ...
def doubts_of_queries(names: Sequence[str], known: NDArray[np.float64], queries: NDArray[np.float64]) -> list[str]: ...
def evaluate(
    runs: Sequence[str | PathLike[str]],
    data: Sequence[str],
    episodes: int,
    queries: int,
    split: str,
    seed: int | None,
    baselines: Sequence[str],
    data_dir: str | PathLike[str] | None,
) -> str: ...
def train(
    preset: str | None,
    config: str | PathLike[str] | None,
    set: Sequence[str],
    run: str | PathLike[str],
    data_dir: str | PathLike[str] | None,
    callback: Callable[[dict[str, Any]], object] | None,
) -> None: ...
def config_json(run: str | PathLike[str]) -> str: ...
def weights(run: str | PathLike[str], step: int | None = None) -> dict[str, NDArray[np.float32]]: ...
def logits(
    run: str | PathLike[str],
    inputs: NDArray[np.float32],
    labels: NDArray[np.uint32],
    step: int | None = None,
) -> NDArray[np.float32]: ...
