"""Measures `gpicl predict` beside classical methods on small tables, all on the same splits; writes who is ahead."""

import argparse
import os
import shlex
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import data
import methods
import quick
import records
import report
import scores
import speed
from results import Results, key

# Options that --records decides by itself.
OF_OTHERS = ["tables", "made", "more", "features", "rows", "splits", "only", "methods", "checkpoint", "options", "speed", "quick"]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


@dataclass
class Unit:
    """One split of one table: `missing` are the methods to run, with the key of each result."""

    table: data.Table
    rows: int
    size: int
    split: int
    missing: list


def measure(unit, queries):
    """A record for every missing method that answered, and a message for every one that did not."""
    table = unit.table
    context, query = data.split(table, unit.size, queries, unit.split)
    labels = table.labels[query]
    records, failures = [], []
    for method, name, found in unit.missing:
        try:
            answer = method.answer(
                table.features.iloc[context], table.labels[context], table.features.iloc[query], table.classes
            )
        except methods.Failed as error:
            failures.append((name, table.name, unit.rows, str(error)))
            continue
        records.append({
            "key": found, "table": table.name, "rows": unit.rows, "context": unit.size, "split": unit.split,
            "method": name, "version": method.version, "queries": len(labels),
            "accuracy": float((answer.labels == labels).mean()),
            "log_loss": scores.log_loss(answer.probabilities, labels),
            "bins": scores.bins(answer.probabilities, labels).tolist(),
            "fit_s": answer.fit, "predict_s": answer.predict,
        })  # fmt: skip
    return records, failures


def plan(tables, args):
    """Table, rows and labelled rows of everything to measure, and what is left out."""
    entries, left_out = [], []
    for rows in args.rows:
        for table in tables:
            size, why = data.context_size(table, rows, args.queries, args.least_share)
            if size is None:
                left_out.append((table.name, rows, why))
                continue
            one_class = [
                split for split in range(args.splits)
                if len(set(table.labels[data.split(table, size, args.queries, split)[0]])) < 2
            ]  # fmt: skip
            if one_class:
                left_out.append((table.name, rows, f"the labelled rows of split {one_class[0]} are of one class"))
                continue
            entries.append((table, rows, size))
    return entries, left_out


@dataclass
class Measured:
    """What was asked for (`entries`, `left_out`), the key of every result, all results, how many are new, and failures."""

    entries: list
    left_out: list
    keys: dict
    records: dict
    new: int
    failures: list


def measure_all(tables, chosen, args):
    """Measures what is not in the results yet."""
    results = Results(args.out / "results.jsonl")
    entries, left_out = plan(tables, args)
    if not entries:
        name, rows, why = left_out[0]
        raise data.Fault(
            f"--rows: no table is left; the first, `{name}` at {rows}: {why}; give fewer rows or larger tables"
        )
    keys, units = {}, []
    for table, rows, size in entries:
        for split in range(args.splits):
            found = {name: key(table, size, args.queries, split, method) for name, method in chosen.items()}
            keys |= {(table.name, rows, split, name): k for name, k in found.items()}
            missing = [(chosen[name], name, k) for name, k in found.items() if k not in results.records]
            if missing:
                units.append(Unit(table, rows, size, split, missing))
    new, failures = 0, []
    with ProcessPoolExecutor(args.jobs) as pool:
        waiting = [pool.submit(measure, unit, args.queries) for unit in units]
        try:
            for done, future in enumerate(as_completed(waiting), 1):
                records, failed = future.result()
                for record in records:
                    results.add(record)
                new += len(records)
                failures += failed
                print(f"\r{done} of {len(units)} splits", end="", file=sys.stderr, flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if units:
        print(file=sys.stderr)
    return Measured(entries, left_out, keys, results.records, new, failures)


def run(tables, chosen, args):
    """Measures, and writes the report; returns how much was measured, and failures."""
    it = measure_all(tables, chosen, args)
    report.write(args, it.entries, it.left_out, it.failures, list(chosen), it.keys, it.records)
    return it.new, it.failures


def build():
    """This project's program, built if it is not."""
    subprocess.run(["cargo", "build", "--release", "--locked", "--package", "gpicl-cli"], cwd=ROOT, check=True)
    return ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release" / "gpicl"


def method(name, args):
    """A method by its name."""
    if name != methods.OURS:
        return methods.Classical(name)
    return methods.Gpicl((args.gpicl or build()).resolve(), args.checkpoint, args.options)


def parse():
    def names(text):
        return text.split(",")

    def sizes(text):
        return sorted({int(size) for size in text.split(",")})

    def features(text):
        least, _, most = text.partition(":")
        if not 1 <= int(least) <= int(most or least) <= 1000:
            raise ValueError(text)
        return text

    parser = argparse.ArgumentParser(prog="bench/tables/run", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--tables", type=Path, metavar="DIR", help="CSV files; default: $GPICL_DATA_DIR/tables, if it is set"
    )
    parser.add_argument(
        "--made", type=int, metavar="COUNT", help="instead of public tables: this many made ones a family, of the validation split"
    )
    parser.add_argument(
        "--more", action="store_true", help="instead of those: public tables of two packages, none of them among those: for choices"
    )
    parser.add_argument("--features", type=features, metavar="LEAST:MOST", help="of a made table, up to 1000 (2:20)")
    parser.add_argument("--rows", type=sizes, default=[30, 100, 300, 1000], help="labelled rows (30,100,300,1000)")
    parser.add_argument("--splits", type=int, default=10, help="of each table at each size (10)")
    parser.add_argument("--queries", type=int, default=200, help="of a split, at most (200)")
    parser.add_argument(
        "--least-share",
        type=float,
        default=2 / 3,
        metavar="SHARE",
        help="half of a table stands for a size of which it is at least this share (2/3)",
    )
    parser.add_argument("--only", type=names, metavar="TABLES", help="some tables, by name")
    parser.add_argument("--methods", type=names, default=methods.METHODS, help=",".join(methods.METHODS))
    parser.add_argument("--gpicl", type=Path, metavar="BINARY", help="default: built from here")
    parser.add_argument(
        "--checkpoint", type=Path, metavar="PATH", help="of gpicl; default: the learner that is built in"
    )
    parser.add_argument(
        "--options", type=shlex.split, default=[], help='more for `gpicl predict`: --options="--ensemble 4"'
    )
    parser.add_argument("--jobs", type=int, default=1, help="splits beside each other (1)")
    parser.add_argument("--out", type=Path, metavar="DIR", default=HERE / "results")
    parser.add_argument("--speed", action="store_true", help="instead: seconds and memory of 10,000 queries")
    parser.add_argument(
        "--records", choices=records.KINDS, help="instead: meta-train small learners that differ in one part, or lack one family of the prior, and compare them"
    )
    parser.add_argument("--quick", action="store_true", help="instead: check this program on two tables")
    args = parser.parse_args()
    for name, value, least in (
        ("--rows", args.rows[0], methods.NEIGHBOURS), ("--splits", args.splits, 1),
        ("--queries", args.queries, 1), ("--jobs", args.jobs, 1), ("--made", args.made or 1, 1),
    ):  # fmt: skip
        if value < least:
            parser.error(f"{name} {value}: expected {least} or more")
    if args.records:
        of_others = [f"--{name}" for name in OF_OTHERS if getattr(args, name) != parser.get_default(name)]
        if of_others:
            parser.error(f"{of_others[0]}: is not for --records; leave it out")
    given = [name for name, value in (("--made", args.made), ("--more", args.more), ("--tables", args.tables)) if value]
    if len(given) > 1:
        parser.error(f"{given[0]} and {given[1]}: give one of them")
    if args.features and not args.made:
        parser.error("--features: is for made tables; give --made")
    if not 0 < args.least_share <= 1:
        parser.error(f"--least-share {args.least_share}: expected more than 0 and at most 1")
    unknown = [name for name in args.methods if name not in methods.METHODS]
    if unknown:
        parser.error(f"--methods {unknown[0]}: expected some of {', '.join(methods.METHODS)}")
    if args.gpicl and not os.access(args.gpicl, os.X_OK):
        parser.error(f"--gpicl {args.gpicl}: not a program; build it, or leave the option out")
    if args.checkpoint and not args.checkpoint.exists():
        parser.error(f"--checkpoint {args.checkpoint}: not there; give a checkpoint or a run")
    if not given and os.environ.get("GPICL_DATA_DIR"):
        args.tables = Path(os.environ["GPICL_DATA_DIR"]) / "tables"
    return args


def tables(args):
    """Those to measure on."""
    if args.more:
        return data.load_more(args.only)
    if not args.made:
        return data.load(args.tables, args.only)
    # Half of a table is labelled rows, at the most.
    made = data.made(args.gpicl or build(), args.made, 2 * max(*args.rows, args.queries), args.features)
    known = {table.name: table for table in made}
    return [known[name] for name in data.chosen(known, args.only)]


def main():
    args = parse()
    try:
        chosen = {name: method(name, args) for name in methods.METHODS if name in args.methods}
        if args.speed:
            return speed.run(chosen, args)
        if args.quick:
            return quick.run(chosen, args, run)
        if args.records:
            return records.run((args.gpicl or build()).resolve(), args, measure_all)
        if not (args.tables or args.made or args.more):
            print("GPICL_DATA_DIR is not set: scikit-learn's tables alone", file=sys.stderr)
        _, failures = run(tables(args), chosen, args)
        print((args.out / "report.md").read_text(), end="")
        for name, table, rows, why in dict.fromkeys(failures):
            print(f"error: {name} on {table} at {rows} rows: {why}", file=sys.stderr)
        return 1 if failures else 0
    except data.Fault as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
