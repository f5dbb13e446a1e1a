"""The estimator: scikit-learn's contract, and the command's numbers."""

import csv
import pickle
import subprocess
import sys
import time
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from gpicl import GPICLClassifier

# The command writes six digits.
WRITTEN = 1e-6


@parametrize_with_checks([GPICLClassifier()])
def test_scikit_learn_takes_it_for_an_estimator(estimator, check):
    check(estimator)


def predicted(command, folder, context, query, *args):
    """What ``gpicl predict`` says: labels, and probabilities as a frame."""
    paths = [folder / "context.csv", folder / "query.csv", folder / "out.csv"]
    context.to_csv(paths[0], index=False)
    query.to_csv(paths[1], index=False)
    names = ("--context", "--query", "--out")
    files = [part for name, path in zip(names, paths) for part in (name, path)]
    subprocess.run([command, "predict", *files, *args], check=True, capture_output=True)
    with open(paths[2], newline="") as file:
        rows = list(csv.DictReader(file))
    probabilities = {name[2:]: [float(row[name]) for row in rows] for name in rows[0] if name.startswith("p_")}
    return [row["prediction"] for row in rows], pd.DataFrame(probabilities)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_tables_have_the_probabilities_of_the_command(command, tmp_path, name):
    table = getattr(datasets, f"load_{name}")()
    order = np.random.default_rng(0).permutation(len(table.target))[:200]
    X = pd.DataFrame(table.data[order], columns=[str(column) for column in table.feature_names])
    y = table.target_names[table.target[order]].astype(str)
    known, asked = X[:100], X[100:]
    labels, wanted = predicted(command, tmp_path, known.assign(y=y[:100]), asked)
    learner = GPICLClassifier().fit(known.to_numpy(), y[:100])
    found = learner.predict_proba(asked.to_numpy())
    np.testing.assert_allclose(found, wanted[list(learner.classes_)], atol=WRITTEN)
    assert list(learner.predict(asked.to_numpy())) == labels
    assert learner.score(asked.to_numpy(), y[100:]) == np.mean(y[100:] == labels)


def mixed(rows=80):
    """A table of numbers, texts, categories that are numbers, truth values and missing cells, and labels that go by all."""
    rng = np.random.default_rng(1)
    size, colour, code = rng.normal(size=rows), rng.choice(["red", "blue", "green"], rows), rng.integers(1, 4, rows)
    ready = rng.random(rows) < 0.5
    y = np.where(size + (colour == "red") + (code == 2) > 0.7, "yes", "no")
    frame = pd.DataFrame({"size": size, "colour": colour, "code": code, "ready": ready})
    frame.loc[::7, "size"] = np.nan
    frame.loc[::9, "colour"] = None
    return frame, y


def test_mixed_frames_have_the_probabilities_of_the_command(command, tmp_path):
    frame, y = mixed()
    _, wanted = predicted(command, tmp_path, frame[:60].assign(y=y[:60]), frame[60:], "--categorical", "code")
    frame = frame.astype({"colour": "category", "code": "category"})
    cells = {name: [None if pd.isna(cell) else cell for cell in frame[name]] for name in frame}
    by_polars = pl.DataFrame({**cells, "code": [str(code) for code in cells["code"]]})
    for X in [frame, by_polars.with_columns(pl.col("code").cast(pl.Categorical))]:
        learner = GPICLClassifier().fit(X[:60], y[:60])
        np.testing.assert_allclose(learner.predict_proba(X[60:]), wanted[["no", "yes"]], atol=WRITTEN)
        assert list(learner.feature_names_in_) == ["size", "colour", "code", "ready"]
    # Rows of Python's objects have no categories but texts.
    rows = frame.drop(columns="code").astype(object).to_numpy().tolist()
    by_rows = GPICLClassifier().fit(rows[:60], y[:60]).predict_proba(rows[60:])
    without = frame.drop(columns="code")
    np.testing.assert_array_equal(by_rows, GPICLClassifier().fit(without[:60], y[:60]).predict_proba(without[60:]))


def test_seed_and_members_are_the_command_s(command, tmp_path):
    X, y = datasets.load_iris(return_X_y=True, as_frame=True)
    names = ("--seed", "7", "--ensemble", "3")
    _, wanted = predicted(command, tmp_path, X[::2].assign(y=y[::2]), X[1::2], *names)
    learner = GPICLClassifier(n_ensemble=3, random_state=7).fit(X[::2], y[::2])
    np.testing.assert_allclose(learner.predict_proba(X[1::2]), wanted, atol=WRITTEN)
    other = GPICLClassifier(n_ensemble=3, random_state=8).fit(X[::2], y[::2]).predict_proba(X[1::2])
    assert np.abs(other - wanted.to_numpy()).max() > 10 * WRITTEN
    _, plain = predicted(command, tmp_path, X[::2].assign(y=y[::2]), X[1::2], *names, "--no-stack")
    learner = GPICLClassifier(n_ensemble=3, random_state=7, stack=False).fit(X[::2], y[::2])
    np.testing.assert_allclose(learner.predict_proba(X[1::2]), plain, atol=WRITTEN)
    assert np.abs(plain.to_numpy() - wanted.to_numpy()).max() > 10 * WRITTEN


@pytest.mark.parametrize("labels", [[0, 1, 2], ["a", "b", "c"], [-1.0, 0.0, 3.0], pd.Categorical(["x", "y", "z"])])
def test_labels_are_of_any_type(labels):
    X, y = datasets.load_iris(return_X_y=True)
    labels = np.asarray(labels)[y]
    learner = GPICLClassifier(n_ensemble=2).fit(X[::2], labels[::2])
    assert learner.predict(X).dtype == labels.dtype
    assert list(learner.classes_) == sorted(set(labels))
    assert (learner.predict(X) == labels).mean() > 0.9


def test_numbers_are_the_same_from_arrays_frames_and_lists():
    X, y = datasets.load_iris(return_X_y=True)
    X[3, 1] = np.nan
    wanted = GPICLClassifier(n_ensemble=2).fit(X[::2], y[::2]).predict_proba(X)
    frame = pd.DataFrame(X, columns=list("abcd"))
    objects = X.astype(object)
    texts = [[str(cell) for cell in row] for row in X]
    for table in (X.tolist(), frame, frame.convert_dtypes(), pl.DataFrame(dict(zip(frame, X.T))), objects, texts):
        half = table.gather_every(2) if isinstance(table, pl.DataFrame) else table[::2]
        found = GPICLClassifier(n_ensemble=2).fit(half, y[::2].tolist()).predict_proba(table)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("kind", ["array", "list", "numpy", "pandas", "nullable", "polars"])
def test_truth_values_are_categories_as_in_a_file(command, tmp_path, kind):
    rng = np.random.default_rng(2)
    X = rng.random((60, 3)) < 0.5
    y = np.where(X[:, 0] ^ (rng.random(60) < 0.1), "yes", "no")
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    _, wanted = predicted(command, tmp_path, frame[:40].assign(y=y[:40]), frame[40:])
    rows = {
        "array": X, "list": X.tolist(), "numpy": list(X), "pandas": frame, "nullable": frame.astype("boolean"),
        "polars": pl.DataFrame(dict(zip(frame, X.T))),
    }[kind]
    learner = GPICLClassifier(n_ensemble=8).fit(rows[:40], y[:40])
    np.testing.assert_allclose(learner.predict_proba(rows[40:]), wanted[["no", "yes"]], atol=WRITTEN)


def test_ctrl_c_ends_a_prediction(ends_at_ctrl_c):
    program = """
import numpy as np, gpicl
X = np.random.default_rng(0).normal(size=(400_000, 20))
learner = gpicl.GPICLClassifier().fit(X[:1000], X[:1000, 0] > 0)
print("on it", flush=True)
learner.predict_proba(X)
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "on it\n"
    # Well into the prediction, which takes minutes.
    time.sleep(2)
    ends_at_ctrl_c(child)


def test_ctrl_c_ends_the_reading_of_a_large_ensemble(ends_at_ctrl_c):
    """Of one whose one answer takes minutes."""
    program = """
import numpy as np, gpicl
X = np.random.default_rng(0).normal(size=(1000, 40))
learner = gpicl.GPICLClassifier(n_ensemble=512).fit(X, X[:, 0] > 0)
print("on it", flush=True)
learner.predict_proba(X[:1])
"""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "on it\n"
    time.sleep(2)
    ends_at_ctrl_c(child)


def warned(record):
    """The words of warnings, which all point here."""
    assert {warning.filename for warning in record} <= {__file__}
    return [str(warning.message) for warning in record]


def test_the_command_s_warnings_are_python_s():
    X, y = datasets.load_iris(return_X_y=True)
    frame = pd.DataFrame({"colour": ["red", "blue", "green"] * 50, "row": range(150)})
    learner = GPICLClassifier(n_ensemble=1)
    with pytest.warns(UserWarning) as record:
        learner.fit(frame, y)
    assert any("`row` looks like a name or a running number" in words for words in warned(record))
    for ask in (learner.predict, learner.predict_proba):
        with pytest.warns(UserWarning) as record:
            ask(frame.assign(colour="pink"))
        assert any("no value of the column `colour` is known" in words for words in warned(record))
    numbers = pd.DataFrame({"row": range(150), "x": np.random.default_rng(0).normal(size=150)})
    for table, name in ((numbers, "row"), (numbers.to_numpy(), "x0"), (numbers.to_numpy().tolist(), "x0")):
        with pytest.warns(UserWarning) as record:
            learner.fit(table, y)
        assert [words.split("`")[1] for words in warned(record)] == [name]
    texts = pd.DataFrame({f"c{at}": np.roll(list("abcde") * 30, at) for at in range(120)})
    with pytest.warns(UserWarning) as record:
        learner.fit(texts, y)
    assert any("120 features, of which each member" in words for words in warned(record)), "a code for every category"
    with pytest.warns(UserWarning) as record:
        learner.fit(np.random.default_rng(0).normal(size=(40, 300)), np.arange(40) % 2)
    assert any("300 features, of which each member" in words for words in warned(record))
    learner.fit(X, y)
    for table in (1000 * X, (1000 * X).astype(str).astype(object)):
        with pytest.warns(UserWarning, match="of the query rows' column `x0` lie more than 10 standard deviations"):
            learner.predict(table)
    wanted = learner.fit(X, y).predict(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="running number"):
            learner.fit(frame, y)
    np.testing.assert_array_equal(learner.predict(X), wanted)


def test_it_is_cloned_pickled_and_put_in_pipelines():
    X, y = datasets.load_iris(return_X_y=True)
    learner = GPICLClassifier(n_ensemble=2, random_state=1, n_jobs=1)
    assert clone(learner).get_params() == learner.get_params()
    wanted = learner.fit(X[::2], y[::2]).predict_proba(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(learner)).predict_proba(X), wanted)
    halves = joblib.Parallel(2)(joblib.delayed(learner.predict_proba)(part) for part in (X[:75], X[75:]))
    np.testing.assert_allclose(np.concatenate(halves), wanted, atol=1e-5)
    assert cross_val_score(make_pipeline(StandardScaler(), learner), X, y, cv=3).min() > 0.9
    assert CalibratedClassifierCV(learner, cv=3).fit(X, y).score(X, y) > 0.9


def test_errors_say_what_is_wrong(tmp_path):
    X, y = datasets.load_iris(return_X_y=True)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        GPICLClassifier(checkpoint=tmp_path / "nowhere").fit(X, y)
    (tmp_path / "text").write_text("no weights")
    with pytest.raises(ValueError, match="text: "):
        GPICLClassifier(checkpoint=tmp_path / "text").fit(X, y)
    with pytest.raises(ValueError, match="n_ensemble: is 0"):
        GPICLClassifier(n_ensemble=0).fit(X, y)
    for nonsense in (2**40, 1.5, "a", None):
        with pytest.raises(ValueError, match="n_ensemble: is .*; give a whole number from 1 to 1024"):
            GPICLClassifier(n_ensemble=nonsense).fit(X, y)
    with pytest.raises(ValueError, match="stack: is 'yes'; give True or False"):
        GPICLClassifier(stack="yes").fit(X, y)
    for n_jobs, error in ((0, ValueError), (2**31, ValueError), (True, TypeError), ("2", TypeError)):
        with pytest.raises(error, match=f"n_jobs: is {n_jobs!r}"):
            GPICLClassifier(n_jobs=n_jobs).fit(X, y)
    for seed in (-1, 2**64):
        with pytest.raises(ValueError, match="random_state: is .*; give None"):
            GPICLClassifier(random_state=seed).fit(X, y)
    ids = pd.DataFrame({"id": [f"row {number}" for number in range(150)], "x": X[:, 0]})
    with pytest.raises(ValueError, match="column `id`.*150 different values"):
        GPICLClassifier().fit(ids, y)


@pytest.mark.parametrize("missing", ["", " ", None, float("nan"), pd.NA, pd.NaT])
def test_labels_that_are_missing_are_refused(missing):
    X, y = datasets.load_iris(return_X_y=True)
    labels = np.array(["a", "b", "c"], dtype=object)[y]
    labels[3] = missing
    for rows in (X, pd.DataFrame(X).assign(colour="red")):
        with pytest.raises(ValueError, match="y contains NaN or another missing label, first at row 3"):
            GPICLClassifier().fit(rows, labels)


def test_columns_that_cannot_be_read_are_named():
    X, y = datasets.load_iris(return_X_y=True)
    days = pd.date_range("2026-01-01", periods=150)
    frame = pd.DataFrame({"x": X[:, 0], "when": days})
    by_polars = pl.DataFrame({"x": X[:, 0], "when": days.to_pydatetime().tolist()})
    spans = frame.assign(when=days - days[0])
    for table in (frame, by_polars, spans, frame[["when"]], frame.assign(colour="red"), frame.astype({"when": object})):
        with pytest.raises(TypeError, match="column `when`: argument must be a string or a number, not .*; of a date"):
            GPICLClassifier().fit(table, y)
    units = [days.to_numpy().astype(f"M8[{unit}]")[:, None] for unit in ("s", "us", "ns")]
    lists = [[[day] for day in days.date.tolist()], [[day] for day in days.to_numpy()]]
    for rows in (*units, *lists, spans["when"].to_numpy()[:, None], frame.to_numpy()):
        with pytest.raises(TypeError, match="column `x.`: argument must be a string or a number, not .*; of a date"):
            GPICLClassifier().fit(rows, y)
    with pytest.raises(ValueError, match="column `b`: has bytes that are no UTF-8"):
        GPICLClassifier().fit(pd.DataFrame({"b": [b"\xff"] * 150}), y)
    learner = GPICLClassifier(n_ensemble=1).fit(pd.DataFrame(X, columns=list("abcd")), y)
    twice = pd.DataFrame(X, columns=list("aabc"))
    for refused in (lambda: GPICLClassifier().fit(twice, y), lambda: GPICLClassifier().fit(twice.astype(str), y), lambda: learner.predict(twice)):
        with pytest.raises(ValueError, match="two columns are called `a`"):
            refused()


def test_a_fit_that_fails_leaves_what_was_fitted():
    X, y = datasets.load_iris(return_X_y=True)
    texts = pd.DataFrame(X, columns=list("abcd")).assign(colour="red")
    learner = GPICLClassifier(n_ensemble=1)
    failing = [(-X, X[:, 0]), (X[:, :2], y * 0), (texts, y * 0), (-X, [None] * 150)]
    for rows, labels in failing:
        with pytest.raises(ValueError):
            learner.fit(rows, labels)
        with pytest.raises(NotFittedError):
            learner.predict(X)
    wanted = learner.fit(X[::2], y[::2]).predict_proba(X)
    for rows, labels in failing:
        with pytest.raises(ValueError):
            learner.fit(rows, labels)
        np.testing.assert_array_equal(learner.predict_proba(X), wanted)
    with pytest.raises(ValueError, match="n_ensemble: is 1, too few to tell 50 classes apart; give at least"):
        learner.fit(X, np.arange(150) // 3)


def test_queries_are_read_by_the_same_rules_where_the_labelled_rows_are_numbers(command, tmp_path):
    X, y = datasets.load_iris(return_X_y=True, as_frame=True)
    y = np.array(["a", "b", "c"])[y]
    query = X[1::2].astype(object)
    query.iloc[0, 0], query.iloc[1, 2], query.iloc[2, 3] = "NA", None, ""
    _, wanted = predicted(command, tmp_path, X[::2].assign(y=y[::2]), query)
    learner = GPICLClassifier().fit(X[::2], y[::2])
    np.testing.assert_allclose(learner.predict_proba(query), wanted, atol=WRITTEN)
    missing = X[1::2].copy()
    missing.iloc[0, 0], missing.iloc[1, 2], missing.iloc[2, 3] = [np.nan] * 3
    np.testing.assert_array_equal(learner.predict_proba(query), learner.predict_proba(missing))
    masked = np.ma.masked_array(missing.fillna(7.0).to_numpy(), missing.isna())
    np.testing.assert_array_equal(GPICLClassifier().fit(X[::2].to_numpy(), y[::2]).predict_proba(masked), learner.predict_proba(missing))
    with pytest.raises(ValueError, match="True"):
        learner.predict(X.assign(**{X.columns[0]: True}))
