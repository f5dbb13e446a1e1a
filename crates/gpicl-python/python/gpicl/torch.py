"""Batches of tasks for PyTorch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import IterableDataset, get_worker_info

from gpicl.tasks import Batch, TaskDistribution

__all__ = ["TaskDataset"]


class TaskDataset(IterableDataset):  # type: ignore[misc, type-arg, unused-ignore]
    """Batches of a distribution as tensors; give it to a ``DataLoader`` with ``batch_size=None``.

    Workers share the indices out: worker ``w`` of ``W`` makes ``start + w``, ``start + w + W``, .. on one thread each, so that
    the loader's order is that of the indices.

    Parameters
    ----------
    distribution : TaskDistribution
    start, stop : int
        Which batches; without ``stop`` they do not end.
    """

    def __init__(self, distribution: TaskDistribution, start: int = 0, stop: int | None = None) -> None:
        self.distribution, self.start, self.stop = distribution, start, stop

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        worker = get_worker_info()
        if worker is None:
            found = self.distribution.batches(self.start, self.stop)
        else:
            found = self._of_worker(worker.id, worker.num_workers)
        for inputs, labels in found:
            yield torch.from_numpy(inputs), torch.from_numpy(labels)

    def _of_worker(self, worker: int, workers: int) -> Iterator[Batch]:
        distribution = self.distribution.with_jobs(1)
        index = self.start + worker
        while self.stop is None or index < self.stop:
            yield distribution.batch(index)
            index += workers
