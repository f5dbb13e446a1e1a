"""Numbers of threads as scikit-learn counts them."""

from __future__ import annotations

import numpy as np


def threads(n_jobs: int | None) -> int | None:
    """``n_jobs``, or an error: None, a number of threads, or a negative one counted down from all cores."""
    if n_jobs is None:
        return None
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, (int, np.integer)):
        raise TypeError(f"n_jobs: is {n_jobs!r}; give a number of threads, or -1 for all cores")
    if not 0 < abs(n_jobs) < 2**31:
        raise ValueError(f"n_jobs: is {n_jobs}; give a number of threads, or -1 for all cores")
    return int(n_jobs)
