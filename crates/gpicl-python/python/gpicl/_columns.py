"""Columns of somebody's table as texts: what the engine's rules for tables are about."""

from __future__ import annotations

import datetime
import numbers
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import numpy as np

#: Dates, and the times between them.
_TIMES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)

_NO_NUMBER = "argument must be a string or a number, not"
_OF_A_DATE = "of a date make numbers, such as days since the first, or a text"


def is_frame(X: Any) -> bool:
    """Whether ``X`` is a pandas or a polars frame."""
    return hasattr(X, "columns") and hasattr(X, "shape")


def is_mixed(X: Any) -> bool:
    """Whether ``X`` has columns that are no numbers: a frame with texts, categories or truth values, an array of objects or texts."""
    if is_frame(X):
        return not all(_is_numeric(dtype) for dtype in X.dtypes)
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
        names = names_of(X, 0)
        cells = [_texts(name, X[column].to_list()) for name, column in zip(names, X.columns)]
        return names, cells, [name for name, dtype in zip(names, X.dtypes) if _is_category(dtype)]
    array = np.asarray(X, dtype=object)
    names = names_of(X, array.shape[1])
    return names, [_texts(name, array[:, number]) for number, name in enumerate(names)], []


def names_of(X: Any, count: int) -> list[str]:
    """The columns' names; ``x0``, ``x1``, .. of what is no frame.

    Parameters
    ----------
    X : frame or array
    count : int
        Columns.

    Returns
    -------
    list of str
    """
    return [str(name) for name in X.columns] if is_frame(X) else [f"x{number}" for number in range(count)]


def check_columns(X: Any) -> None:
    """That no two columns of a frame are called alike, and none is of dates, which would be read as numbers of some unit.

    Parameters
    ----------
    X : frame, array or list of rows

    Raises
    ------
    ValueError
        For two names alike.
    TypeError
        For dates and times.
    """
    if is_frame(X):
        names = names_of(X, 0)
        twice = next((name for name, count in Counter(names).items() if count > 1), None)
        if twice is not None:
            raise ValueError(f"X: two columns are called `{twice}`; give each a name of its own")
        temporal = next((name for name, dtype in zip(names, X.dtypes) if _is_temporal(dtype)), None)
    elif hasattr(X, "dtype"):
        temporal = "x0" if _is_temporal(X.dtype) else None
    elif isinstance(X, (list, tuple)):
        rows = (row for row in X if isinstance(row, (list, tuple)))
        temporal = next((f"x{at}" for row in rows for at, cell in enumerate(row) if isinstance(cell, _TIMES)), None)
    else:
        temporal = None
    if temporal is not None:
        raise TypeError(f"X: column `{temporal}`: {_NO_NUMBER} a date or a time; {_OF_A_DATE}")


def unmasked(X: Any) -> Any:
    """A masked array with NaN where it is masked; anything else as it is.

    Parameters
    ----------
    X : frame, array or list

    Returns
    -------
    frame, array or list
    """
    if not isinstance(X, np.ma.MaskedArray) or X.dtype.kind not in "iuf":
        return X
    return np.where(np.ma.getmaskarray(X), np.nan, np.ma.getdata(X))


def _is_temporal(dtype: Any) -> bool:
    if hasattr(dtype, "is_temporal"):
        return bool(dtype.is_temporal())
    return getattr(dtype, "kind", "O") in "mM"


def without_value(labels: Any) -> int | None:
    """The number of the first label that is missing: None, NaN, an empty text.

    Parameters
    ----------
    labels : array of shape (n,)

    Returns
    -------
    int or None
    """
    if isinstance(labels, np.ma.MaskedArray):
        masked = np.flatnonzero(np.ma.getmaskarray(labels).ravel())
        return int(masked[0]) if len(masked) else None
    kind = getattr(getattr(labels, "dtype", None), "kind", "O")
    if kind in "iub":
        return None
    if kind == "f":
        missing = np.flatnonzero(np.isnan(np.asarray(labels)).ravel())
        return int(missing[0]) if len(missing) else None
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
        raise TypeError(f"X: column `{name}`: {error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"X: column `{name}`: has bytes that are no UTF-8 text ({error}); decode them first") from None


def _text(cell: Any) -> str:
    """The text that a CSV file would have; of a float the shortest that gives the same bits back."""
    if _is_missing(cell):
        return ""
    # Spans of numpy's are whole numbers, too.
    if isinstance(cell, _TIMES):
        raise TypeError(f"{_NO_NUMBER} '{type(cell).__name__}'; {_OF_A_DATE}")
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
    raise TypeError(f"{_NO_NUMBER} '{type(cell).__name__}'; make numbers or texts of it")
