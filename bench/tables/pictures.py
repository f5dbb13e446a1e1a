"""The report's pictures, as SVG; the same numbers make the same bytes."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np

import scores
from methods import METHODS, OURS

INK, FAINT = "#282828", "#e1e1e1"
# Okabe and Ito's palette, as in the project's other figures; ours comes first.
PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#332288", "#828282"]
COLOURS = dict(zip([OURS, *(name for name in METHODS if name != OURS)], PALETTE))
MARKERS = dict(zip(COLOURS, "osD^vPX*"))
plt.rcParams.update({
    "font.family": "sans-serif", "font.size": 10, "svg.fonttype": "none", "svg.hashsalt": OURS,
    "text.color": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK, "axes.edgecolor": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": FAINT, "axes.axisbelow": True,
})  # fmt: skip


def save(figure, path):
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


def ranks(sizes, path):
    """Mean rank by accuracy and by log-loss over the number of labelled rows; the best is on top."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
    places = range(len(sizes))
    for axis, what in zip(axes, ("accuracy", "log-loss")):
        found = np.array([size.accuracy_ranks() if what == "accuracy" else size.log_loss_ranks() for size in sizes])
        for place in sizes[0].ranked:
            name = sizes[0].methods[place]
            ours = name == OURS
            axis.plot(
                places, found[:, place], color=COLOURS[name], marker=MARKERS[name], label=name,
                linewidth=3 if ours else 1.3, markersize=8 if ours else 5, zorder=3 if ours else 2,
            )  # fmt: skip
        axis.set_title(f"by {what}")
        axis.set_xticks(places, [f"{size.rows}\n{len(size.tables)} tables" for size in sizes])
        axis.set_xlabel("labelled rows")
        axis.margins(x=0.08)
    axes[0].set_ylabel("mean rank, 1 is best")
    axes[0].invert_yaxis()  # Shared with the other panel.
    axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    save(figure, path)


def forest(sizes, path):
    """Accuracy less the forest's, a dot a table with the 95% interval over its splits, and the mean over tables."""
    names = list(dict.fromkeys(name for size in sizes for name in size.tables))
    points = []
    for size in sizes:
        ours, theirs = size.methods.index(OURS), size.methods.index("forest")
        points.append(100 * (size.accuracy[..., ours] - size.accuracy[..., theirs]))
    mean = {
        name: np.mean([p[size.tables.index(name)].mean() for size, p in zip(sizes, points) if name in size.tables])
        for name in names
    }
    names.sort(key=mean.get)
    figure, axes = plt.subplots(
        1, len(sizes), figsize=(1.6 + 2.6 * len(sizes), 1.2 + 0.27 * len(names)), sharey=True, sharex=True,
        squeeze=False, layout="constrained",
    )  # fmt: skip
    for axis, size, difference in zip(axes[0], sizes, points):
        low, high = scores.interval(difference)
        axis.axvspan(low, high, color=COLOURS[OURS], alpha=0.12, linewidth=0)
        axis.axvline(difference.mean(), color=COLOURS[OURS], linewidth=1.5)
        axis.axvline(0, color=INK, linewidth=0.8)
        for name, splits in zip(size.tables, difference):
            bounds = scores.interval(splits[None])
            place = names.index(name)
            axis.plot(bounds, [place, place], color=COLOURS[OURS], linewidth=1.2)
            axis.plot(splits.mean(), place, "o", color=COLOURS[OURS], markersize=5)
        axis.set_title(f"{size.rows} labelled rows")
    axes[0, 0].set_yticks(range(len(names)), names)
    figure.supxlabel(
        "accuracy of gpicl less the forest's, points; line and band: mean over tables and its 95% interval", fontsize=10
    )
    save(figure, path)
