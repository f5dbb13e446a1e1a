"""What each part of the learner for tables bought: small learners, meta-trained alike but for one part."""

import copy
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import numpy as np

import data
import report
import scores
from methods import Gpicl

SPEC = Path(__file__).with_suffix(".toml")
# A member alone, and nothing beside it: what is measured is what was meta-trained.
ALONE = ["--ensemble", "1"]
ALL, WITHOUT = "all", "without-"
SLOTS = 10  # More classes ask for several members.
ROWS, MADE, FEATURES = 60, 6, "2:12"


def families(binary):
    """The weights of the prior's families, from the whole configuration that a run writes."""
    with tempfile.TemporaryDirectory() as folder:
        few = ["train.steps=1", "train.batch=1", "train.queries=1", "eval.episodes=2", "eval.final_episodes=2", "mix=[{prior={episode_length=4,input_dim=2}}]"]
        command(binary, "train", "--preset", "tables", *(f"--set={field}" for field in few), "--run", f"{folder}/run")
        config = tomllib.loads(Path(folder, "run", "config.toml").read_text())
    return config["mix"][0]["prior"]["families"]


def spec(weights):
    """The sweep's file, and the names of its parts: those of `SPEC`, and the prior without each family."""
    text = SPEC.read_text()
    written = tomllib.loads(text)
    prior = written["base"]["mix"][0]["prior"]
    entries = []
    for family in weights:
        others = {"families": {name: weight for name, weight in weights.items() if name != family}}
        entries.append(f'\n[[list]]\nname = "{WITHOUT}{family}"\nmix = [{{ prior = {inline(prior | others)} }}]\n')
    names = [entry["name"] for entry in written["list"]] + [WITHOUT + family for family in weights]
    return text + "".join(entries), names, written["seeds"]


def inline(value):
    """A value as TOML: numbers and tables of them."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {inline(inner)}" for name, inner in value.items()) + " }"
    return repr(value)


def command(binary, *arguments):
    """Runs it quietly."""
    done = subprocess.run([binary, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise data.Fault(f"--records: {binary} {arguments[0]}: {done.stderr.strip()}")


def paired(size, names, seeds, part, places):
    """`[tables, seeds, 2]`: accuracy and log-loss of a part less those of all, on the tables at `places`."""
    def of(name):
        at = [size.methods.index(run_of(name, seed)) for seed in seeds]
        return np.stack([values.mean(1)[places][:, at] for values in (size.accuracy, size.log_loss)], -1)

    return of(part) - of(ALL)


def run_of(name, seed):
    """The name of a run."""
    return f"{name},seed={seed}"


def cells(difference):
    """Points of accuracy, and log-loss, each with its interval."""
    for at, unit, digits in ((0, 100, 1), (1, 1, 3)):
        values = unit * difference[..., at]
        # All tables have a seed's run in common: drawing seeds of each would make its luck vanish in their number.
        yield report.spread(values.mean(), scores.interval(values.mean(1, keepdims=True)), digits)


def lines(sizes, names, seeds):
    """Lines of the page."""
    made, more = sizes
    family_of = np.array([table.rpartition("-")[0] for table in made.tables])
    every = {"made tables": (made, np.full(len(made.tables), True)), "public ones": (more, np.full(len(more.tables), True))}
    yield "# What each part bought"
    yield ""
    yield f"{report.machine()}. Seeds {', '.join(map(str, seeds))}; {ROWS} labelled rows; a run less `{ALL}` on the same tables, 95% over tables."
    yield f"Below 0 of log-loss: better than `{ALL}`. Tables of more than {SLOTS} classes are left out."
    yield ""
    heads = [f"{len(made.tables)} made tables: accuracy, points", "log-loss", f"{len(more.tables)} public ones: accuracy, points", "log-loss"]
    yield from report.header(["part", *heads])
    absolute = []
    for size in sizes:
        at = [size.methods.index(run_of(ALL, seed)) for seed in seeds]
        absolute += [f"{100 * size.accuracy[..., at].mean():.1f}", f"{size.log_loss[..., at].mean():.3f}"]
    yield report.line([f"`{ALL}`", *absolute])
    for name in names:
        if name != ALL:
            found = [cell for size, places in every.values() for cell in cells(paired(size, names, seeds, name, places))]
            yield report.line([name, *found])
    yield ""
    yield from report.header(["family left out", "its own made tables: log-loss", "others: log-loss"])
    for family in dict.fromkeys(family_of):
        own = family_of == family
        found = [list(cells(paired(made, names, seeds, WITHOUT + family, places)))[1] for places in (own, ~own)]
        yield report.line([family, *found])
    yield ""
    yield from noise(every, names, seeds)


def noise(every, names, seeds):
    """How far the differences of single seeds are from each other; the runs of all parts are in each."""
    if len(seeds) == 1:
        yield "- One seed: how much of a difference is luck is not known."
        return
    for what, (size, places) in every.items():
        each = np.stack([paired(size, names, seeds, name, places).mean(0) for name in names if name != ALL])
        accuracy, log_loss = np.sqrt(each.var(1, ddof=1).mean(0) / len(seeds))
        yield f"- Over seeds a difference above has a standard error of {100 * accuracy:.2f} points and {log_loss:.4f} ({what}), beside that over tables."


def run(binary, args, measure):
    """Meta-trains what is not there yet, measures it, writes `records.md`."""
    weights = families(binary)
    text, names, seeds = spec(weights)
    folder = args.out / "records"
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / "records.toml"
    file.write_text(text)
    done = subprocess.run([binary, "sweep", file, "--out", folder, "--jobs", str(args.jobs)])
    if done.returncode:
        raise data.Fault(f"--records: {folder}: the sweep ended with exit code {done.returncode}; the same command goes on with it")
    chosen = {
        run_of(name, seed): Gpicl(binary, folder / "runs" / run_of(name, seed), ALONE) for name in names for seed in seeds
    }
    args = copy.copy(args)
    args.rows, args.splits = [ROWS], 1
    sizes, failures = [], []
    for tables in (data.made(binary, MADE, 2 * args.queries, FEATURES), data.load_more(None)):
        it = measure([table for table in tables if table.classes <= SLOTS], chosen, args)
        sizes += report.collect(it.entries, list(chosen), args.splits, it.keys, it.records)
        failures += it.failures
    for name, table, rows, why in dict.fromkeys(failures):
        print(f"error: {name} on {table} at {rows} rows: {why}", file=sys.stderr)
    if len(sizes) < 2:
        raise data.Fault("--records: no table of a kind was answered by all runs; the errors above say why")
    (args.out / "records.md").write_text("\n".join(lines(sizes, names, seeds)) + "\n")
    print((args.out / "records.md").read_text(), end="")
    return 1 if failures else 0
