"""What a prediction is worth: accuracy, log-loss, calibration; ranks over tables; paired intervals."""

import numpy as np
from scipy.stats import rankdata

# No method's log-loss of one query is more than -ln of it. `gpicl predict` writes six decimals.
LEAST_PROBABILITY = 1e-6
BINS = 15
RESAMPLES = 4000
# Resamples held in memory at a time.
CHUNK = 200
SEED = 0


def log_loss(probabilities, labels):
    """Mean of -ln p(label), p clipped, from `[queries, classes]` and `[queries]`."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(right, LEAST_PROBABILITY, 1.0)).mean())


def bins(probabilities, labels):
    """`[BINS, 3]`: queries, sum of the greatest probabilities, hits; in bins of equal width of that probability."""
    top, confidence = probabilities.argmax(1), probabilities.max(1)
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    columns = (np.ones(len(labels)), confidence, top == labels)
    return np.stack([np.bincount(place, column, BINS) for column in columns], 1)


def calibration_error(bins):
    """`[.., BINS, 3]` to `[..]`: how far confidence is from accuracy, averaged over queries."""
    return np.abs(bins[..., 1] - bins[..., 2]).sum(-1) / bins[..., 0].sum(-1)


def mean_ranks(values):
    """`[tables, methods]`, less is better, to `[methods]`: ranks from 1, equal values share theirs, averaged over tables."""
    # Sums of the same numbers in another order are equal.
    return rankdata(np.round(values, 9), axis=1).mean(0)


def interval(values, statistic=lambda drawn: drawn.mean((1, 2))):
    """95% bootstrap interval of a statistic of `[tables, splits, ..]`: tables are drawn, then splits of each.

    `statistic` takes `[resamples, tables, splits, ..]` to `[resamples]`.
    """
    tables, splits = values.shape[:2]
    rng = np.random.default_rng(SEED)
    found = []
    for start in range(0, RESAMPLES, CHUNK):
        shape = (min(CHUNK, RESAMPLES - start), tables)
        drawn = values[rng.integers(tables, size=shape)[..., None], rng.integers(splits, size=(*shape, splits))]
        found.append(statistic(drawn))
    return np.percentile(np.concatenate(found), [2.5, 97.5])


def calibration_difference(pair):
    """`[.., tables, splits, 2, BINS, 3]` to `[..]`: the first method's mean calibration error less the second's."""
    error = calibration_error(pair.sum(-4))
    return (error[..., 0] - error[..., 1]).mean(-1)
