"""Labelled rows to probabilities of queries, `fit` and `predict_proba`: this package beside scikit-learn's methods.

    python bench/python/predict.py --rows 100 --queries 1000 --features 10 --rounds 5

Each method has a process of its own: seconds are the median of its rounds after a first one that counts for nothing (loading is
in that one), MiB the most memory of the process above one that has imported the method and done nothing.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from gpicl import GPICLClassifier

METHODS = {
    "gpicl": GPICLClassifier,
    "random forest": lambda: RandomForestClassifier(n_jobs=-1, random_state=0),
    "SVM": lambda: SVC(probability=True, random_state=0),
    "logistic regression": lambda: LogisticRegression(max_iter=1000),
    "nearest neighbours": KNeighborsClassifier,
}


def mebibytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name, args):
    rng = np.random.default_rng(0)
    X, queries = rng.normal(size=(args.rows, args.features)), rng.normal(size=(args.queries, args.features))
    y = (X[:, 0] + X[:, 1] ** 2 > 1).astype(int)
    before, seconds = mebibytes(), []
    for _ in range(args.rounds + 1):
        started = time.perf_counter()
        METHODS[name]().fit(X, y).predict_proba(queries)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:]), seconds[0], mebibytes() - before


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--features", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--method", choices=METHODS, help="measure this one, in this process")
    args = parser.parse_args()
    if args.method:
        print(json.dumps(measure(args.method, args)))
        return
    print(f"{args.rows} rows of {args.features} features, {args.queries} queries: seconds, the first time's, MiB")
    for name in METHODS:
        said = subprocess.run([sys.executable, *sys.argv, "--method", name], check=True, capture_output=True, text=True)
        seconds, first, memory = json.loads(said.stdout)
        print(f"{name:20} {seconds:8.3f} {first:8.3f} {memory:8.0f}")


if __name__ == "__main__":
    main()
