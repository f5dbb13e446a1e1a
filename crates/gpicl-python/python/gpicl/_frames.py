"""Results as lists and dictionaries that become frames."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol


def _flat(row: dict[str, Any], place: str = "") -> dict[str, Any]:
    """Dictionaries in a row as columns: ``summary.last.mean``."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found.update(_flat(value, f"{place}{name}."))
        else:
            found[f"{place}{name}"] = value
    return found


class Rows(list[dict[str, Any]]):
    """A list of dictionaries, one a row."""

    def frame(self, library: str | None = None) -> Any:
        """The rows as a frame; dictionaries in them are columns with dots, what a row lacks is missing.

        Parameters
        ----------
        library : {"pandas", "polars"}, optional
            Whose; by default that of pandas, or of polars where that alone is installed.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
        """
        if library not in (None, "pandas", "polars"):
            raise ValueError(f"library: `{library}` is none; choose one of pandas, polars")
        rows = [_flat(row) for row in self]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        whole = [{name: row.get(name) for name in columns} for row in rows]
        for name in [library] if library else ["pandas", "polars"]:
            try:
                frames = import_module(name)
            except ImportError:
                continue
            if name == "pandas":
                return frames.DataFrame(whole, columns=columns)
            return frames.DataFrame(whole, infer_schema_length=None)
        raise ImportError(f"{library or 'pandas or polars'} is not installed; pip install {library or 'pandas'}")


class _HasRows(Protocol):
    @property
    def rows(self) -> Rows: ...


class Framed:
    """What has rows that become a frame."""

    def frame(self: _HasRows, library: str | None = None) -> Any:
        """:attr:`rows` as a frame.

        Parameters
        ----------
        library : {"pandas", "polars"}, optional
            As in :meth:`Rows.frame`.

        Returns
        -------
        pandas.DataFrame or polars.DataFrame
        """
        return self.rows.frame(library)


class Curves(dict[str, dict[str, Any]], Framed):
    """Learning curves by the names of their sets."""

    @property
    def rows(self) -> Rows:
        """A row for every set and number of examples: ``set``, ``examples``, ``accuracy`` (``mean``, ``low``, ``high``), ``loss``."""
        return Rows(
            {"set": name, "examples": examples, "accuracy": accuracy, "loss": loss}
            for name, curve in self.items()
            for examples, (accuracy, loss) in enumerate(zip(curve["accuracy"], curve["loss"]))
        )

    def plot(self, ax: Any = None) -> Any:
        """Draws them: accuracy by examples seen, with 95% intervals.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default a new figure's.

        Returns
        -------
        matplotlib Axes
        """
        ax = axes(ax)
        for name, curve in self.items():
            low, mean, high = ([at[part] for at in curve["accuracy"]] for part in ("low", "mean", "high"))
            (line,) = ax.plot(mean, label=name)
            ax.fill_between(range(len(mean)), low, high, alpha=0.2, color=line.get_color(), linewidth=0)
        ax.set(xlabel="examples seen", ylabel="accuracy", ylim=(0, 1))
        ax.legend()
        return ax


def axes(ax: Any) -> Any:
    """``ax``, or those of a new figure."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.subplots()[1]
