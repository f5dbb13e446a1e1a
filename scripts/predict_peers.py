#!/usr/bin/env python3
"""`gpicl predict` beside classical methods on small tables, same splits. Needs scikit-learn.

    scripts/predict_peers.py target/release/gpicl runs/quickstart-seed0

Prints a Markdown table: accuracy in percent, mean and 95% interval (Student t) over splits.
"""

import csv
import pathlib
import subprocess
import sys
import tempfile

import numpy
from scipy import stats
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SPLITS = 10
CONTEXT = 60


def write(path, x, y, names):
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow([f"f{i}" for i in range(x.shape[1])] + ["label"])
        out.writerows([*row, names[label]] for row, label in zip(x, y))


def gpicl(program, checkpoint, context, query, names):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write(folder / "context.csv", *context, names)
        write(folder / "query.csv", *query, names)
        files = ["--context", folder / "context.csv", "--query", folder / "query.csv", "--out", folder / "out.csv"]
        subprocess.run([program, "predict", "--checkpoint", checkpoint, "--quiet", *files], check=True,
                       stdout=subprocess.DEVNULL)
        with open(folder / "out.csv", newline="") as file:
            predictions = [row["prediction"] for row in csv.DictReader(file)]
    return numpy.mean([names[label] == prediction for label, prediction in zip(query[1], predictions)])


def main():
    program, checkpoint = sys.argv[1:]
    classical = {
        "logistic regression": lambda: LogisticRegression(max_iter=5000),
        "1 nearest neighbour": lambda: KNeighborsClassifier(1),
        "5 nearest neighbours": lambda: KNeighborsClassifier(5),
    }
    columns = ["gpicl predict", *classical]
    print("| table | classes | features | chance | " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * (3 + len(columns)))
    for name in ["iris", "wine", "breast_cancer", "digits"]:
        data = getattr(datasets, f"load_{name}")()
        names = [str(n) for n in data.target_names]
        scores = {column: [] for column in columns}
        for seed in range(SPLITS):
            x, rest_x, y, rest_y = train_test_split(data.data, data.target, train_size=CONTEXT, stratify=data.target,
                                                    random_state=seed)
            rest_x, rest_y = rest_x[:150], rest_y[:150]
            scores["gpicl predict"].append(gpicl(program, checkpoint, (x, y), (rest_x, rest_y), names))
            for method, make in classical.items():
                model = make_pipeline(StandardScaler(), make()).fit(x, y)
                scores[method].append(model.score(rest_x, rest_y))
        cells = []
        for column in columns:
            values = 100 * numpy.array(scores[column])
            half = stats.t.ppf(0.975, SPLITS - 1) * values.std(ddof=1) / SPLITS**0.5
            cells.append(f"{values.mean():.1f} ± {half:.1f}")
        chance = 100 * numpy.bincount(data.target).max() / len(data.target)
        print(f"| {name} | {len(names)} | {data.data.shape[1]} | {chance:.1f} | " + " | ".join(cells) + " |")


main()
