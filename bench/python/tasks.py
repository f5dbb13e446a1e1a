"""Batches of tasks into PyTorch: this package beside a straightforward generator of PyTorch's, in turn, in one process.

    python bench/python/tasks.py --rounds 5 --batches 8
"""

import argparse
import os
import statistics
import time

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


def our_batches(inputs, labels, input_dim, threads):
    tasks = TaskDistribution((inputs, labels), batch=BATCH, episode_length=LENGTH, input_dim=input_dim, n_jobs=threads)
    for x, y in tasks:
        yield torch.from_numpy(x), torch.from_numpy(y)


def examples_a_second(batches, count):
    started = time.perf_counter()
    for _ in range(count):
        x, y = next(batches)
        assert x.shape[:2] == y.shape == (BATCH, LENGTH)
    return count * BATCH * LENGTH / (time.perf_counter() - started)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=8)
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
        ours = our_batches(inputs, labels, dim, threads)
        rates = []
        for batches in (theirs, ours):
            next(batches)
        for _ in range(args.rounds):
            rates.append([examples_a_second(batches, args.batches) for batches in (theirs, ours)])
        theirs, ours = map(statistics.median, zip(*rates))
        times = [ours / theirs for theirs, ours in rates]
        print(f"{dim} inputs: PyTorch {theirs:,.0f}, gpicl {ours:,.0f}; times {statistics.median(times):.1f} ({min(times):.1f} to {max(times):.1f})")


if __name__ == "__main__":
    main()
