"""Methods: each takes labelled rows and queries and answers with labels and probabilities."""

import hashlib
import os
import shlex
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from data import Fault
from tuned_ridge import TunedRidge


def lightgbm_classifier():
    """It asks for all cores unless told; `run` sets the variable. Imported here, for others' memory is measured too."""
    import lightgbm

    return lightgbm.LGBMClassifier(random_state=0, verbose=-1, n_jobs=int(os.environ["OMP_NUM_THREADS"]))


# Defaults, but for seeds, the forest's trees, steps enough for logistic regression to converge, and the ridge, which is tuned.
CLASSICAL = {
    "logistic": lambda: LogisticRegression(max_iter=1000),
    "1-nn": lambda: KNeighborsClassifier(1),
    "5-nn": lambda: KNeighborsClassifier(5),
    "svm-rbf": lambda: SVC(probability=True, random_state=0),
    "forest": lambda: RandomForestClassifier(300, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(random_state=0),
    "lightgbm": lightgbm_classifier,
    "tuned-ridge": TunedRidge,
}
OURS = "gpicl"
# Ranked among each other; what else there is stands beside them.
RANKED = ["logistic", "1-nn", "5-nn", "svm-rbf", "forest", "boosting", OURS]
METHODS = [*RANKED, "lightgbm", "tuned-ridge"]
NEIGHBOURS = 5

# Of the versions in requirements.txt. The SVM's own probabilities go in 1.11; what is advised instead refuses classes
# with less than five rows. LightGBM is given arrays throughout. A column without any value is left out.
warnings.filterwarnings("ignore", "The `probability` parameter", FutureWarning)
warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
warnings.filterwarnings("ignore", "Skipping features without any observed values", UserWarning)


@dataclass
class Answer:
    """`labels`: `[queries]`; `probabilities`: `[queries, classes]`; seconds, `fit` None where `predict` has both."""

    labels: np.ndarray
    probabilities: np.ndarray
    fit: float | None
    predict: float


class Failed(Exception):
    """A method gave no answer; says why."""


def pipeline(method):
    """Missing numbers become the median and missing texts the most frequent; numbers standardised, texts one-hot."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    )
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")), (texts, make_column_selector(dtype_exclude="number"))
    )
    return make_pipeline(columns, CLASSICAL[method]())


class Classical:
    """A method of scikit-learn's kind."""

    def __init__(self, name):
        self.name = name
        made = CLASSICAL[name]()
        library = sys.modules[type(made).__module__.partition(".")[0]]
        self.version = f"{library.__name__} {library.__version__}: {made!r}"

    def answer(self, features, labels, queries, classes):
        start = time.perf_counter()
        model = pipeline(self.name).fit(features, labels)
        fitted = time.perf_counter()
        known = model.predict_proba(queries)
        predicted = time.perf_counter()
        # Another pass, not timed: the SVM's labels are not always its likeliest ones.
        chosen = model.predict(queries)
        probabilities = np.zeros((len(queries), classes))
        probabilities[:, model.classes_] = known
        return Answer(chosen, probabilities, fitted - start, predicted - fitted)


class Gpicl:
    """`gpicl predict` as a user calls it, a process and its files each time."""

    def __init__(self, binary, checkpoint, options):
        self.binary, self.checkpoint, self.options = binary, checkpoint, options
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        told = shlex.join(options) or "none"
        self.version = f"{said}, program {digest(binary)}, checkpoint {digest(checkpoint)}, options: {told}"

    def command(self, context, query, out):
        checkpoint = ["--checkpoint", self.checkpoint] if self.checkpoint else []
        files = ["--context", context, "--query", query, "--out", out]
        return [str(part) for part in [self.binary, "predict", "--quiet", *checkpoint, *self.options, *files]]

    def answer(self, features, labels, queries, classes):
        # No names that could be read as numbers or truth.
        names = [f"class{label}" for label in range(classes)]
        with tempfile.TemporaryDirectory() as folder:
            context, query, out = (Path(folder) / name for name in ("context.csv", "query.csv", "out.csv"))
            features.assign(label=[names[label] for label in labels]).to_csv(context, index=False)
            queries.to_csv(query, index=False)
            start = time.perf_counter()
            done = subprocess.run(self.command(context, query, out), capture_output=True, text=True)
            seconds = time.perf_counter() - start
            if done.returncode:
                raise Failed(f"exit code {done.returncode}: {' '.join(done.stderr.split())}")
            found = pd.read_csv(out)
        if len(found) != len(queries):
            raise Failed(f"{len(found)} rows for {len(queries)} queries")
        probabilities = np.zeros((len(queries), classes))
        for label, name in enumerate(names):
            if f"p_{name}" in found:
                probabilities[:, label] = found[f"p_{name}"]
        return Answer(np.array([names.index(name) for name in found["prediction"]]), probabilities, None, seconds)


def digest(path):
    """Of a file's bytes, or of the names, sizes and times of a run's checkpoints; `built in` without a path."""
    if path is None:
        return "built in"
    path = Path(path)
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    files = sorted((path / "checkpoints").glob("*"))
    if not files:
        raise Fault(f"--checkpoint {path}: neither a file nor a run with checkpoints")
    text = "\n".join(f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
