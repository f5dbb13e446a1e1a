"""Columns of somebody's table as texts: what the engine's rules for tables are about."""

from __future__ import annotations

import numbers
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np


def is_frame(X: Any) -> bool:
    """Whether ``X`` is a pandas or a polars frame."""
    return hasattr(X, "columns") and hasattr(X, "shape")


def is_mixed(X: Any) -> bool:
    """Whether ``X`` has columns that are no numbers: a frame with texts, categories or truth values, an array of objects or texts."""
    if is_frame(X):
        return not all(_is_numeric(dtype) for dtype in X.dtypes)
    if hasattr(X, "dtype"):
        # Truth values are categories, as in a frame and in a file.
        # Dates are neither, and told so.
        return np.dtype(X.dtype).kind in "OUSbmM"
    if not isinstance(X, (list, tuple)):
        return False
    return any(
        is_mixed(row) if hasattr(row, "dtype") else any(isinstance(cell, (str, bool, np.bool_)) or cell is None for cell in row)
        for row in X
        if isinstance(row, (list, tuple, np.ndarray))
    )


def _is_numeric(dtype: Any) -> bool:
    if hasattr(dtype, "is_numeric"):
        return bool(dtype.is_numeric())
    kind = getattr(dtype, "kind", "O")
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

    Raises
    ------
    TypeError
        For cells that are neither numbers nor texts: dates, lists.
    """
    if is_frame(X):
        names = [str(name) for name in X.columns]
        cells = [_texts(name, X[column].to_list()) for name, column in zip(names, X.columns)]
        return names, cells, [name for name, dtype in zip(names, X.dtypes) if _is_category(dtype)]
    array = np.asarray(X)
    # Whole days of one unit become numbers as objects.
    array = np.array([list(row) for row in array], dtype=object) if array.dtype.kind in "mM" else np.asarray(X, dtype=object)
    names = [f"x{number}" for number in range(array.shape[1])]
    return names, [_texts(name, array[:, number]) for number, name in enumerate(names)], []


def check_names(X: Any) -> None:
    """That no two columns of a frame are called alike.

    Parameters
    ----------
    X : frame or array

    Raises
    ------
    ValueError
    """
    names = [str(name) for name in X.columns] if is_frame(X) else []
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"X: two columns are called `{twice}`; give each a name of its own")


def without_value(labels: Any) -> int | None:
    """The number of the first label that is missing: None, NaN, an empty text.

    Parameters
    ----------
    labels : array of shape (n,)

    Returns
    -------
    int or None
    """
    cells = labels.to_list() if hasattr(labels, "to_list") else np.asarray(labels, dtype=object).ravel()
    return next((row for row, cell in enumerate(cells) if _is_missing(cell)), None)


def _is_missing(cell: Any) -> bool:
    # Names of the types, so that pandas need not be there.
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, (float, np.floating)) and bool(np.isnan(cell)) or isinstance(cell, str) and not cell.strip()


def _is_category(dtype: Any) -> bool:
    return str(dtype).lower().startswith(("category", "categorical", "enum"))


def _texts(name: str, cells: Iterable[Any]) -> list[str]:
    """The cells of a column."""
    try:
        return [_text(cell) for cell in cells]
    except TypeError as error:
        fix = "of a date make numbers, such as days since the first, or a text"
        raise TypeError(f"X: column `{name}`: {error}; {fix}") from None


def _text(cell: Any) -> str:
    """The text that a CSV file would have; of a float the shortest that gives the same bits back."""
    if _is_missing(cell):
        return ""
    if isinstance(cell, (bool, np.bool_)):
        return str(bool(cell))
    if isinstance(cell, numbers.Integral):
        return str(int(cell))
    if isinstance(cell, (numbers.Real, Decimal)):
        number = float(cell)
        # A Decimal's NaN.
        return "" if number != number else repr(number)
    if isinstance(cell, bytes):
        return cell.decode()
    if isinstance(cell, str):
        return str(cell)
    raise TypeError(f"argument must be a string or a number, not '{type(cell).__name__}'")
