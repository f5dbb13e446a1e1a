"""Tables, and how they are split into labelled rows and queries."""

import hashlib
import io
import itertools
import json
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split

import more

SKLEARN = ["iris", "wine", "breast_cancer", "digits"]


class Fault(Exception):
    """Bad input: names the file or option and what to do."""


@dataclass
class Table:
    """`features`: a frame of numbers and texts, NaN where a cell is missing; `labels`: `[rows]`, classes from 0."""

    name: str
    features: pd.DataFrame
    labels: np.ndarray

    @property
    def classes(self):
        return int(self.labels.max()) + 1

    @cached_property
    def digest(self):
        """Changes with any cell or label."""
        text = self.features.to_csv(index=False) + ",".join(map(str, self.labels))
        return hashlib.sha256(text.encode()).hexdigest()


def read_csv(path):
    """A table from a file with a header, its label the last column."""
    try:
        frame = pd.read_csv(path, float_precision="round_trip")
    except (OSError, ValueError) as error:
        raise Fault(f"{path}: {error}; give a CSV file with a header line") from error
    if frame.shape[1] < 2:
        raise Fault(f"{path}: {frame.shape[1]} columns; give features and, in the last column, the label")
    label = frame.columns[-1]
    missing = frame[label].isna()
    if missing.any():
        line = missing.idxmax() + 2  # The header is line 1.
        raise Fault(f"{path}: line {line}: column `{label}`: no label; leave the row out")
    return table(path.stem, path, frame.iloc[:, :-1], frame[label])


def table(name, source, features, label):
    """A `Table`; columns that are not of numbers become texts."""
    features = features.copy()
    for column in features.columns:
        cells = features[column]
        if cells.dtype == bool or not pd.api.types.is_numeric_dtype(cells):
            features[column] = cells.astype(object).where(cells.isna(), cells.astype(str))
    labels, classes = pd.factorize(label, sort=True)
    counts = np.bincount(labels)
    if len(classes) < 2:
        raise Fault(f"{source}: column `{label.name}`: one class; a table needs two or more")
    if counts.min() < 2:
        rare = classes[counts.argmin()]
        raise Fault(f"{source}: column `{label.name}`: one row has `{rare}`; a split needs two or more of each class")
    return Table(name, features, labels)


def sklearn_table(name):
    """One of scikit-learn's own."""
    data = getattr(datasets, f"load_{name}")(as_frame=True)
    return table(name, f"scikit-learn's {name}", data.data, data.target)


def made(binary, count, rows, features):
    """`count` tables of each family of the prior, of the split that meta-training never meets: for choices."""
    sources = [json.loads(line) for line in data_command(binary, "list", "--json").splitlines()]
    families = [source["name"] for source in sources if source["name"].startswith("prior:")]
    if not families:
        raise Fault(f"--made: {binary} lists no family of made tables; give --gpicl a program of this version")
    tables = []
    for family in families:
        found = (made_table(binary, family, seed, rows, features) for seed in itertools.count())
        tables += itertools.islice(filter(None, found), count)
    return tables


def data_command(binary, *arguments):
    """What `gpicl data` prints."""
    done = subprocess.run([binary, "data", *arguments, "--quiet"], capture_output=True, text=True)
    if done.returncode:
        raise Fault(f"--made: {binary}: {' '.join(done.stderr.split())}; give --gpicl a program of this version")
    return done.stdout


def made_table(binary, family, seed, rows, features):
    """Table number `seed` of a family, `prior:NAME`; None if its rows are of one class."""
    of_features = ["--features", features] if features else []
    text = data_command(
        binary, "show", family, "--split", "validation", "--seed", str(seed), "--rows", str(rows), *of_features
    )
    frame = pd.read_csv(io.StringIO(text))
    features, label = repeated(frame.iloc[:, :-1], frame["label"])
    if label.nunique() < 2:
        return None
    name = f"{family.removeprefix('prior:')}-{seed:03}"
    return table(name, f"made table {name}", features, label)


def repeated(features, label):
    """The rows of classes that have two or more: a split needs two of each."""
    kept = (label.groupby(label).transform("size") > 1).to_numpy()
    return features[kept].reset_index(drop=True), label[kept].reset_index(drop=True)


def load(folder, only):
    """All tables of a folder (or None) and of scikit-learn, or those whose names are in `only`, by name."""
    paths = sorted(Path(folder).glob("*.csv")) if folder else []
    if folder and not paths:
        raise Fault(f"--tables {folder}: no *.csv there; give a folder of tables")
    known = {path.stem: lambda path=path: read_csv(path) for path in paths}
    for name in SKLEARN:
        if name in known:
            raise Fault(f"--tables {folder}: `{name}.csv` has the name of a table of scikit-learn; rename it")
        known[name] = lambda name=name: sklearn_table(name)
    return [known[name]() for name in chosen(known, only)]


def load_more(only):
    """All tables of `more`, or those whose names are in `only`, by name."""
    known = more.tables()
    return [table(name, name, *repeated(*known[name]())) for name in chosen(known, only)]


def chosen(known, only):
    """The names of `known` tables, or of them those in `only`, in order."""
    unknown = [name for name in only or [] if name not in known]
    if unknown:
        raise Fault(f"--only {unknown[0]}: no such table; expected some of {', '.join(sorted(known))}")
    return sorted(only or known)


def context_size(table, rows, queries, least_share):
    """How many rows of a table are labelled at the size `rows`; or None and why the size is left out."""
    half = len(table.labels) // 2
    size = min(rows, half)
    if size < least_share * rows:
        return None, f"half of the table is less than {least_share:.2g} of the size"
    if min(size, queries) < table.classes:
        return None, "more classes than labelled rows or queries"
    return size, None


def split(table, size, queries, number):
    """Indices of labelled rows and of at most `queries` others, the shares of classes as in the table."""
    total = len(table.labels)
    return train_test_split(
        np.arange(total),
        train_size=size,
        test_size=min(queries, total - size),
        stratify=table.labels,
        random_state=number,
    )
