"""The learner for tables as a scikit-learn estimator."""

from __future__ import annotations

import functools
import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from gpicl import _gpicl
from gpicl._columns import check_columns, columns, is_frame, is_mixed, names_of, unmasked, without_value
from gpicl._threads import threads
from gpicl._warnings import say

#: Members of an ensemble; more would not fit into memory.
_MOST = _gpicl.Predictor.MOST_MEMBERS

#: Seeds are of 64 bits.
_MOST_SEED = 2**64 - 1


@functools.lru_cache(maxsize=4)
def _loaded(checkpoint: str | None, changed: float) -> _gpicl.Predictor:
    """A learner, kept while its file stays the same; ``changed`` tells files of one name apart."""
    return _gpicl.Predictor(checkpoint)


def _predictor(checkpoint: str | os.PathLike[str] | None) -> _gpicl.Predictor:
    if checkpoint is None:
        return _loaded(None, 0.0)
    path = os.fspath(checkpoint)
    # A run's newest checkpoint changes: its folder does with it.
    inner = os.path.join(path, "checkpoints")
    watched = inner if os.path.isdir(inner) else path
    return _loaded(path, os.stat(watched).st_mtime if os.path.exists(watched) else 0.0)


class _Fitted(NamedTuple):
    """What a fit keeps: classes, their numbers as the engine has them, those of the rows, the members' seed, and the rows."""

    classes: NDArray[Any]
    rank: NDArray[np.intp]
    labels: NDArray[np.uint32]
    seed: int
    numbers: NDArray[np.float64]
    #: Names, cells and categories, of rows that are not all numbers.
    table: tuple[list[str], list[list[str]], list[str]] | None


class GPICLClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that was meta-trained: it reads the labelled rows and answers, without a gradient step.

    The same tables give the same probabilities as ``gpicl predict``.

    Parameters
    ----------
    checkpoint : str or path, optional
        A checkpoint file, or a run's folder (its newest one); by default the learner for tables that comes along.
    n_ensemble : int, default=8
        Members to average over; each sees columns in another order, and other rows where there are many.
    random_state : int, RandomState or None, default=None
        Seed of what the members see. None is seed 0, as the command has it.
    n_jobs : int, optional
        Threads; None and -1 are all cores.
    stack : bool, default=True
        Whether every other member also sees what regressions that are fitted to the labelled rows say of a row.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_ : int
        Columns of the labelled rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where all are texts.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from gpicl import GPICLClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> GPICLClassifier().fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
    True
    """

    # Of estimators that were pickled before there was one.
    stack = True

    def __init__(
        self,
        checkpoint: str | os.PathLike[str] | None = None,
        n_ensemble: int = 8,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        stack: bool = True,
    ) -> None:
        self.checkpoint = checkpoint
        self.n_ensemble = n_ensemble
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.stack = stack

    def fit(self, X: ArrayLike, y: ArrayLike) -> GPICLClassifier:
        """Reads and stores the labelled rows.

        Parameters
        ----------
        X : array or frame of shape (n, n_features)
            Numbers, texts, categories; NaN, None and empty texts are missing.
        y : array of shape (n,)
            Whole numbers, texts, truth values, dates; none missing.

        Returns
        -------
        GPICLClassifier
            The estimator itself.
        """
        whole = isinstance(self.n_ensemble, (int, np.integer)) and not isinstance(self.n_ensemble, bool)
        if not whole or not 1 <= self.n_ensemble <= _MOST:
            raise ValueError(f"n_ensemble: is {self.n_ensemble!r}; give a whole number from 1 to {_MOST}")
        if not isinstance(self.stack, (bool, np.bool_)):
            raise ValueError(f"stack: is {self.stack!r}; give True or False")
        threads(self.n_jobs)
        fitted = self._fitted(unmasked(X), y)
        # All at once: a fit that fails leaves what was fitted before.
        self.classes_, self._rows_in = fitted.classes, fitted
        return self

    def _fitted(self, X: Any, y: Any) -> _Fitted:
        """What is kept of labelled rows."""
        seed = self._seed_of(self.random_state)
        missing = None if y is None else without_value(y)
        if missing is not None:
            raise ValueError(f"Input y contains NaN or another missing label, first at row {missing}; leave such rows out")
        check_columns(X)
        before = {name: getattr(self, name, None) for name in ("n_features_in_", "feature_names_in_")}
        try:
            learner = _predictor(self.checkpoint)
            table = None
            if is_mixed(X):
                y = self._labels(y)
                rows = self._rows(X, reset=True)
                table = columns(rows)
                check_consistent_length(rows, y)
                numbers, _, doubts = learner.encode(table[0], table[1], None, table[2])
            else:
                named = X
                X, y = validate_data(self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", order="C")
                numbers = np.array(X, dtype=np.float64)
                doubts = _gpicl.doubts_of_numbers(names_of(named, numbers.shape[1]), numbers)
            check_classification_targets(y)
            classes, labels = np.unique(np.asarray(y), return_inverse=True)
            self._check_classes(classes, learner)
            # An error, where the user made warnings errors.
            say(doubts + learner.doubts(numbers.shape[1], len(classes), self.n_ensemble))
        except BaseException:
            for name, value in before.items():
                if value is not None:
                    setattr(self, name, value)
                elif hasattr(self, name):
                    delattr(self, name)
            raise
        # The engine numbers classes as they first appear, as the command does.
        order = np.argsort(np.unique(labels, return_index=True)[1], kind="stable")
        rank = np.argsort(order)
        return _Fitted(classes, rank, rank[labels].astype(np.uint32), seed, numbers, table)

    def _check_classes(self, classes: NDArray[Any], learner: _gpicl.Predictor) -> None:
        count = len(classes)
        if count < 2:
            found = classes[:1].tolist()[0]
            raise ValueError(f"y has 1 class, {found!r}, and two are the least there is to tell apart; add rows of another class")
        if count > learner.most_classes:
            raise ValueError(f"y has {count} classes; this checkpoint takes 2 to {learner.most_classes}")
        least = learner.least_ensemble(count)
        if self.n_ensemble < least:
            raise ValueError(f"n_ensemble: is {self.n_ensemble}, too few to tell {count} classes apart; give at least {least}")

    @staticmethod
    def _seed_of(state: Any) -> int:
        if state is None:
            return 0
        if not isinstance(state, (int, np.integer)) or isinstance(state, bool):
            return int(check_random_state(state).randint(np.iinfo(np.int32).max))
        if not 0 <= state <= _MOST_SEED:
            raise ValueError(f"random_state: is {state}; give None, a RandomState or a whole number from 0 to {_MOST_SEED}")
        return int(state)

    @staticmethod
    def _labels(y: Any) -> Any:
        if y is None:
            raise ValueError("This GPICLClassifier estimator requires y to be passed, but the target y is None.")
        return column_or_1d(y, warn=True)

    def _rows(self, X: Any, *, reset: bool) -> Any:
        """Rows of a table with columns that are no numbers, their number and names checked."""
        rows = X if is_frame(X) else np.asarray(X, dtype=object)
        if len(rows.shape) != 2:
            raise ValueError(
                f"Expected 2D array, got {len(rows.shape)}D array instead. Reshape your data using array.reshape(-1, 1) or "
                "array.reshape(1, -1)."
            )
        if 0 in rows.shape:
            what = "sample" if rows.shape[0] == 0 else "feature"
            raise ValueError(f"Found array with 0 {what}(s) (shape={rows.shape}) while a minimum of 1 is required.")
        _check_feature_names(self, X, reset=reset)
        _check_n_features(self, rows, reset=reset)
        return rows

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Class probabilities.

        Parameters
        ----------
        X : array or frame of shape (queries, n_features)
            As in :meth:`fit`.

        Returns
        -------
        ndarray of shape (queries, n_classes)
            In the order of ``classes_``; rows add up to 1.
        """
        check_is_fitted(self)
        X = unmasked(X)
        check_columns(X)
        fitted = self._rows_in
        learner = _predictor(self.checkpoint)
        if fitted.table is not None or is_mixed(X):
            _, cells, _ = columns(self._rows(X, reset=False))
            # Numbers are read as from a file where the queries have texts.
            names, context, categorical = fitted.table or columns(fitted.numbers)
            known, queries, doubts = learner.encode(names, context, cells, categorical)
        else:
            known, named = fitted.numbers, X
            queries = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", order="C", reset=False)
            queries = np.ascontiguousarray(queries)
            doubts = _gpicl.doubts_of_queries(names_of(named, queries.shape[1]), known, queries)
        say(doubts)
        found = learner.predict_proba(
            known, fitted.labels, len(self.classes_), queries, self.n_ensemble, fitted.seed, self.stack, threads(self.n_jobs)
        )
        exact: NDArray[np.float64] = found[:, fitted.rank].astype(np.float64)
        exact /= exact.sum(axis=1, keepdims=True)
        return exact

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The likeliest label of every row.

        Parameters
        ----------
        X : array or frame of shape (queries, n_features)
            As in :meth:`fit`.

        Returns
        -------
        ndarray of shape (queries,)
            Elements of ``classes_``.
        """
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return labels

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags
