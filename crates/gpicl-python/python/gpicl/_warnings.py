"""What the engine warns of."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable

#: Where this package is: a warning points at whoever called it.
_HERE = os.path.dirname(__file__) + os.sep


def say(remarks: Iterable[str]) -> None:
    """Raises Python's warnings.

    Parameters
    ----------
    remarks : iterable of str
    """
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    for remark in remarks:
        warnings.warn(remark, UserWarning, stacklevel=level)
