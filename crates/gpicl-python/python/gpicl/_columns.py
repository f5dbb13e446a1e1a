"""Columns of somebody's table as texts: what the engine's rules for tables are about."""

from __future__ import annotations

import numbers
from decimal import Decimal
from typing import Any

import numpy as np


def is_frame(X: Any) -> bool:
    """Whether ``X`` is a pandas or a polars frame."""
    return hasattr(X, "columns") and hasattr(X, "shape")


def is_mixed(X: Any) -> bool:
    """Whether ``X`` has columns that are no numbers: a frame with texts, categories or truth values, an array of objects or texts."""
    if is_frame(X):
        return not all(_is_numeric(X[name]) for name in X.columns)
    if hasattr(X, "dtype"):
        # Truth values are categories, as in a frame and in a file.
        return np.dtype(X.dtype).kind in "OUSb"
    if not isinstance(X, (list, tuple)):
        return False
    return any(
        is_mixed(row) if hasattr(row, "dtype") else any(isinstance(cell, (str, bool, np.bool_)) or cell is None for cell in row)
        for row in X
        if isinstance(row, (list, tuple, np.ndarray))
    )


def _is_numeric(column: Any) -> bool:
    if hasattr(column.dtype, "is_numeric"):
        return bool(column.dtype.is_numeric())
    kind = getattr(column.dtype, "kind", "O")
    # A nullable column of numbers has missing ones that are no NaN.
    return kind in "iuf"


def columns(X: Any) -> tuple[list[str], list[list[str]], list[str]]:
    """A frame or an array as texts.

    Parameters
    ----------
    X : frame or array of shape (n, columns)

    Returns
    -------
    names : list of str
        The columns' names; ``x0``, ``x1``, .. of an array.
    cells : list of list of str
        The cells of each column; empty where there is no value.
    categorical : list of str
        The columns that the frame calls categories.
    """
    if is_frame(X):
        names = [str(name) for name in X.columns]
        series = [X[name] for name in X.columns]
        cells = [[_text(cell) for cell in column.to_list()] for column in series]
        categorical = [name for name, column in zip(names, series) if _is_category(column)]
        return names, cells, categorical
    array = np.asarray(X, dtype=object)
    names = [f"x{number}" for number in range(array.shape[1])]
    return names, [[_text(cell) for cell in array[:, number]] for number in range(array.shape[1])], []


def _is_category(column: Any) -> bool:
    return str(column.dtype).lower().startswith(("category", "categorical", "enum"))


def _text(cell: Any) -> str:
    """The text that a CSV file would have; of a float the shortest that gives the same bits back."""
    # Names of the types, so that pandas need not be there.
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return ""
    if isinstance(cell, (bool, np.bool_)):
        return str(bool(cell))
    if isinstance(cell, numbers.Integral):
        return str(int(cell))
    if isinstance(cell, (numbers.Real, Decimal)):
        number = float(cell)
        return "" if number != number else repr(number)
    if isinstance(cell, bytes):
        return cell.decode()
    if isinstance(cell, str):
        return str(cell)
    raise TypeError(f"argument must be a string or a number, not '{type(cell).__name__}'")
