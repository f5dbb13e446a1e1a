"""The report: a Markdown page of ranks, means, intervals and every table, and its pictures."""

import os
from dataclasses import dataclass

import numpy as np

import pictures
import scores
from methods import OURS, RANKED


@dataclass
class Size:
    """What all methods did with `rows` labelled rows, on the tables that every one of them finished.

    `[tables, splits, methods]`: `accuracy`, `log_loss`, `fit`, NaN where a method has none, and `predict`, in seconds;
    `[tables, splits, methods, BINS, 3]`: `bins`.
    """

    rows: int
    tables: list
    methods: list
    accuracy: np.ndarray
    log_loss: np.ndarray
    bins: np.ndarray
    fit: np.ndarray
    predict: np.ndarray

    @property
    def ranked(self):
        """Places of the methods that are ranked."""
        return [place for place, name in enumerate(self.methods) if name in RANKED]

    def ranks(self, loss):
        """`[methods]`; NaN beside the ranking. `loss`: `[tables, methods]`, less is better."""
        ranks = np.full(len(self.methods), np.nan)
        ranks[self.ranked] = scores.mean_ranks(loss[:, self.ranked])
        return ranks

    def accuracy_ranks(self):
        return self.ranks(-self.accuracy.mean(1))

    def log_loss_ranks(self):
        return self.ranks(self.log_loss.mean(1))

    def calibration(self):
        """`[tables, methods]`, the bins of all splits of a table together."""
        return scores.calibration_error(self.bins.sum(1))


def collect(entries, methods, splits, keys, records):
    """A `Size` for every number of labelled rows with a finished table."""
    sizes = []
    for rows in dict.fromkeys(rows for _, rows, _ in entries):
        finished = {}
        for table in (table.name for table, at, _ in entries if at == rows):
            grid = [[records.get(keys[table, rows, split, name]) for name in methods] for split in range(splits)]
            if all(record for line in grid for record in line):
                finished[table] = grid
        if not finished:
            continue

        def array(field):
            return np.array([[[r[field] for r in line] for line in grid] for grid in finished.values()], float)

        fields = [array(field) for field in ("accuracy", "log_loss", "bins", "fit_s", "predict_s")]
        sizes.append(Size(rows, list(finished), methods, *fields))
    return sizes


def number(value, digits):
    return "-" if np.isnan(value) else f"{value:.{digits}f}"


def line(cells):
    return "| " + " | ".join(cells) + " |"


def header(names):
    """The first column of texts, the others of numbers."""
    return [line(names), line(["---", *["---:"] * (len(names) - 1)])]


def summary(size):
    """A line a method, the best by rank of accuracy first."""
    accuracy, log_loss = size.accuracy_ranks(), size.log_loss_ranks()
    means = 100 * size.accuracy.mean((0, 1)), size.log_loss.mean((0, 1)), 100 * size.calibration().mean(0)
    seconds = np.median(size.fit, (0, 1)), np.median(size.predict, (0, 1))
    values = ["accuracy, %", "log-loss", "calibration error, %", "fit, s", "predict, s"]
    yield from header(["method", "mean rank by accuracy", "by log-loss", *values])
    for place in np.argsort(accuracy):  # NaN, beside the ranking, is last.
        values = [number(ranks[place], 2) for ranks in (accuracy, log_loss)]
        values += [number(mean[place], digits) for mean, digits in zip(means, (1, 3, 1))]
        yield line([size.methods[place], *values, *(number(s[place], 3) for s in seconds)])


def differences(size):
    """gpicl less every other method, with intervals."""
    ours = size.methods.index(OURS)
    yield from header(["gpicl less", "accuracy, points", "log-loss", "calibration error, points"])
    for place, name in enumerate(size.methods):
        if place == ours:
            continue
        cells = []
        for values, unit, digits in ((size.accuracy, 100, 1), (size.log_loss, 1, 3)):
            paired = unit * (values[..., ours] - values[..., place])
            cells.append(spread(paired.mean(), scores.interval(paired), digits))
        pair = size.bins[:, :, [ours, place]]
        middle = scores.calibration_difference(pair)
        bounds = scores.interval(pair, scores.calibration_difference)
        cells.append(spread(100 * middle, 100 * bounds, 1))
        yield line([name, *cells])


def spread(middle, bounds, digits):
    return f"{middle:+.{digits}f} ({bounds[0]:+.{digits}f} to {bounds[1]:+.{digits}f})"


def each_table(size, values, digits):
    """`[tables, methods]`: a line a table."""
    yield from header(["table", *size.methods])
    for name, row in zip(size.tables, values):
        yield line([name, *(f"{value:.{digits}f}" for value in row)])


def machine():
    """The processor's name."""
    with open("/proc/cpuinfo") as info:
        name = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    return f"a core of {os.cpu_count()} of {name}"


def page(args, sizes, entries, left_out, failures, versions):
    """Lines of the report."""
    yield "# gpicl beside classical methods on small tables"
    yield ""
    yield f"{args.splits} splits of each table at each size, at most {args.queries} queries a split."
    yield f"One thread a method, {machine()}. `bench/tables/README.md` says what the numbers mean."
    for size in sizes:
        absent = [name for name in RANKED if name not in size.methods]
        yield ""
        yield f"## {size.rows} labelled rows: {len(size.tables)} tables"
        yield ""
        yield from summary(size)
        if absent:
            yield ""
            yield f"Ranked without {', '.join(absent)}."
        if OURS in size.methods and len(size.methods) > 1:
            yield ""
            yield from differences(size)
    for size in sizes:
        for what, values, digits in (
            ("Accuracy, %", 100 * size.accuracy.mean(1), 1), ("Log-loss", size.log_loss.mean(1), 3),
            ("Calibration error, %", 100 * size.calibration(), 1),
        ):  # fmt: skip
            yield ""
            yield f"## {what}, {size.rows} labelled rows"
            yield ""
            yield from each_table(size, values, digits)
    yield ""
    yield "## Left out, and smaller than asked"
    yield ""
    notes = [
        (table.name, rows, "half of the table stands for the size") for table, rows, size in entries if size < rows
    ]
    notes += [(table, rows, f"left out: {why}") for table, rows, why in left_out]
    notes += [(table, rows, f"left out: {name} failed: {why}") for name, table, rows, why in dict.fromkeys(failures)]
    together = {}
    for table, rows, why in notes:
        together.setdefault((rows, why), []).append(table)
    for (rows, why), tables in sorted(together.items()):
        yield f"- {rows} labelled rows, {why}: {', '.join(tables)}"
    if not notes:
        yield "Nothing."
    yield ""
    yield "## Versions"
    yield ""
    yield from (f"- {name}: {version}" for name, version in versions.items())


def write(args, entries, left_out, failures, methods, keys, records):
    """Writes `report.md` and the pictures to `args.out`."""
    sizes = collect(entries, methods, args.splits, keys, records)
    wanted = set(keys.values())
    versions = {record["method"]: record["version"] for k, record in records.items() if k in wanted}
    text = "\n".join(page(args, sizes, entries, left_out, failures, versions)) + "\n"
    (args.out / "report.md").write_text(text)
    if sizes:
        pictures.ranks(sizes, args.out / "ranks.svg")
    compared = [size for size in sizes if {OURS, "forest"} <= set(size.methods)]
    if compared:
        pictures.forest(compared, args.out / "forest.svg")
