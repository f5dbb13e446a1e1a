"""What each part of the learner for tables bought: small learners, meta-trained alike but for one part."""

import copy
import json
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

HERE = Path(__file__).parent
# What can be recorded, each with the file of its sweep.
KINDS = {"parts": HERE / "records.toml", "families": HERE / "families.toml"}
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


def spec(written, weights, start):
    """The sweep's file: what is `written`; with a run `start` to begin with, also the prior without each family but the start's own."""
    made = {name: value for name, value in written.items() if name != "start"}
    if start:
        prior = written["base"]["mix"][0]["prior"]
        made["base"] = written["base"] | {"train": written["base"]["train"] | {"start": str(start)}}
        for family in weights:
            if family == written["start"]["family"]:
                continue
            others = {name: weight for name, weight in weights.items() if name != family}
            made["list"] = [*made["list"], {"name": WITHOUT + family, "mix": [{"prior": prior | {"families": others}}]}]
    return made


def toml(table):
    """A table as TOML."""
    return "".join(f"{name} = {inline(value)}\n" for name, value in table.items())


def inline(value):
    """A value as TOML; of texts, numbers, and lists and tables of them."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {inline(inner)}" for name, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def begin(binary, written, folder):
    """The run that all others begin with, meta-trained on one family; the same command goes on with it, if it was begun alike."""
    start, base = written["start"], written["base"]
    prior = base["mix"][0]["prior"] | {"seed": start["seed"], "families": {start["family"]: 1.0}}
    config = {
        "seed": start["seed"], "mix": [{"prior": prior}], "model": base["model"], "eval": base["eval"],
        "train": base["train"] | {"steps": start["steps"]},
    }  # fmt: skip
    run, file = folder / "start", folder / "start.toml"
    if not (run / "config.toml").exists():
        file.write_text(toml(config))
        command(binary, "train", "--preset", "tables", "--config", file, "--run", run)
    elif file.read_text() != toml(config):
        raise data.Fault(f"--records: {run} was begun by another {KINDS['families'].name}; give another --out")
    else:
        command(binary, "resume", run)
    return run.resolve()


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
    """Lines of the page; of families that were left out, those of their own tables, too."""
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
    left_out = [family for family in dict.fromkeys(family_of) if WITHOUT + family in names]
    if left_out:
        yield from report.header(["family left out", "its own made tables: log-loss", "others: log-loss"])
    for family in left_out:
        own = family_of == family
        found = [list(cells(paired(made, names, seeds, WITHOUT + family, places)))[1] for places in (own, ~own)]
        yield report.line([family, *found])
    if left_out:
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
    """Meta-trains what is not there yet, measures it, writes `parts.md` or `families.md`."""
    written = tomllib.loads(KINDS[args.records].read_text())
    folder = args.out / args.records
    args.out.mkdir(parents=True, exist_ok=True)
    of_families = "start" in written
    start = begin(binary, written, args.out) if of_families else None
    sweep = spec(written, families(binary) if of_families else {}, start)
    names, seeds = [entry["name"] for entry in sweep["list"]], sweep["seeds"]
    file = args.out / f"{args.records}.toml"
    file.write_text(toml(sweep))
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
    page = args.out / f"{args.records}.md"
    page.write_text("\n".join(lines(sizes, names, seeds)) + "\n")
    print(page.read_text(), end="")
    return 1 if failures else 0
