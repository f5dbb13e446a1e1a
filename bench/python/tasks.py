"""Batches of tasks into PyTorch: this package beside a straightforward generator of PyTorch's, in turn, in one process.

    python bench/python/tasks.py --rounds 5 --batches 16
"""

import argparse
import os
import statistics
import time
from itertools import islice

import numpy as np
import torch

from gpicl.tasks import TaskDistribution

EXAMPLES, CLASSES, BATCH, LENGTH = 60_000, 10, 64, 100


def pytorch_batches(inputs, labels, input_dim):
    """What one writes: a projection and a permutation an episode, all of a batch together."""
    n, dim = inputs.shape
    while True:
        projections = torch.randn(BATCH, dim, input_dim) / dim**0.5
        permutations = torch.rand(BATCH, CLASSES).argsort(1)
        chosen = torch.randint(n, (BATCH, LENGTH))
        yield torch.bmm(inputs[chosen], projections), permutations.gather(1, labels[chosen])


def our_batches(tasks, count):
    # No more than are taken: none is made before the clock starts, or while the other's runs.
    for x, y in tasks.batches(stop=count):
        yield torch.from_numpy(x), torch.from_numpy(y)


def examples_a_second(batches, count):
    started = time.perf_counter()
    for x, y in batches:
        assert x.shape[:2] == y.shape == (BATCH, LENGTH)
    return count * BATCH * LENGTH / (time.perf_counter() - started)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=16)
    args = parser.parse_args()
    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    print(f"{threads} threads, batches of {BATCH} episodes of {LENGTH} examples; examples a second, median of {args.rounds}")
    for dim in (784, 196):
        # Bytes, as pictures have them.
        inputs = (rng.integers(0, 256, (EXAMPLES, dim)) / 255).astype(np.float32)
        labels = rng.integers(0, CLASSES, EXAMPLES)
        theirs = pytorch_batches(torch.from_numpy(inputs), torch.from_numpy(labels), dim)
        tasks = TaskDistribution((inputs, labels), batch=BATCH, episode_length=LENGTH, input_dim=dim, n_jobs=threads)
        rates = []
        for _ in range(args.rounds + 1):
            pair = (islice(theirs, args.batches), our_batches(tasks, args.batches))
            rates.append([examples_a_second(batches, args.batches) for batches in pair])
        # The first one warms up.
        rates = rates[1:]
        theirs, ours = map(statistics.median, zip(*rates))
        times = [ours / theirs for theirs, ours in rates]
        print(f"{dim} inputs: PyTorch {theirs:,.0f}, gpicl {ours:,.0f}; times {statistics.median(times):.1f} ({min(times):.1f} to {max(times):.1f})")


if __name__ == "__main__":
    main()
