"""Checks this program: its numbers against ones worked out by hand, and a whole run of two tables."""

import copy
import json
import math
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as xml
from pathlib import Path

import numpy as np

import data
import methods
import records
import report
import scores
from results import Results

TABLES = ["iris", "wine"]
ROWS = 30


def check(holds, what):
    print(f"{'ok' if holds else 'FAILED'}: {what}", file=sys.stderr)
    return bool(holds)


def by_hand():
    """Whether scores are what they should be, one check each."""
    # Four queries at 0.8 of which three are hits, one at 1 that is none.
    sure = np.array([[0.8, 0.2]] * 4 + [[1.0, 0.0]])
    labels = np.array([0, 0, 0, 1, 1])
    error = scores.calibration_error(scores.bins(sure, labels))
    yield check(math.isclose(error, (4 * 0.05 + 1) / 5), "calibration error")
    expected = -(3 * math.log(0.8) + math.log(0.2) + math.log(scores.LEAST_PROBABILITY)) / 5
    yield check(math.isclose(scores.log_loss(sure, labels), expected), "log-loss, clipped")
    ranks = scores.mean_ranks(np.array([[0.1 + 0.2, 0.3, 0.5], [3, 2, 1]]))
    yield check(ranks.tolist() == [2.25, 1.75, 2.0], "ties share their rank")
    same = scores.interval(np.full((3, 4), 0.5))
    yield check(same.tolist() == [0.5, 0.5], "no spread, no interval")
    spread = np.random.default_rng(0).normal(size=(400, 2))
    low, high = scores.interval(spread)
    # The mean of 800 has a deviation of 1 / sqrt(800); drawing splits of drawn tables adds half of its variance.
    width = (high - low) * math.sqrt(800 / 1.5)
    yield check(3.5 < width < 4.3 and low < spread.mean() < high, "interval of a mean")
    table = data.sklearn_table("iris")
    sizes = [data.context_size(table, rows, 200, 2 / 3)[0] for rows in (30, 75, 100, 113)]
    yield check(sizes == [30, 75, 75, None], "half of a table stands for a size that is little more")
    context, query = data.split(table, 30, 200, 0)
    yield check(not set(context) & set(query) and len(query) == 120, "labelled rows are no queries")
    yield check(np.bincount(table.labels[context]).tolist() == [10, 10, 10], "splits are stratified")


def of_records():
    """Whether the comparison of parts says what its numbers are."""
    written = tomllib.loads(records.KINDS["families"].read_text())
    own = written["start"]["family"]
    made = tomllib.loads(records.toml(records.spec(written, {"x": 1.0, "y": 2.0, own: 3.0}, Path("a run"))))
    parts, seeds = made["list"], made["seeds"]
    yield check("start" not in made and len(parts) == 3, "but that of the start")
    names = [part["name"] for part in parts]
    priors = [part["mix"][0]["prior"] for part in parts[-2:]]
    yield check([prior["families"] for prior in priors] == [{"y": 2.0, own: 3.0}, {"x": 1.0, own: 3.0}], "a family is left out")
    of_all = written["base"]["mix"][0]["prior"]
    yield check(all(prior | {"families": 0} == of_all | {"families": 0} for prior in priors), "and nothing else changed")
    yield check(made["base"]["train"] == written["base"]["train"] | {"start": "a run"}, "all begin with one run")
    parts = tomllib.loads(records.KINDS["parts"].read_text())
    yield check(tomllib.loads(records.toml(records.spec(parts, {}, None))) == parts, "parts begin with nothing")
    runs = [records.run_of(name, seed) for name in names for seed in seeds]
    accuracy, log_loss = np.zeros((2, 4, 1, len(runs)))
    log_loss[..., runs.index(records.run_of("without-y", seeds[1]))] = 0.5
    log_loss[2:, :, runs.index(records.run_of("without-x", seeds[0]))] = 1.0
    size = report.Size(60, ["x-000", "x-001", "y-000", "y-001"], runs, accuracy, log_loss, None, None, None)
    page = list(records.lines([size, size], names, seeds))
    yield check(any(line.startswith("| without-y | +0.0 (+0.0 to +0.0) | +0.167 (+0.167 to +0.167)") for line in page), "differences are means over seeds")
    yield check("| x | +0.000 (+0.000 to +0.000) | +0.333 (+0.333 to +0.333) |" in page, "a family's own tables stand alone")


def whole(chosen, args, measure):
    """Whether a run of two tables writes what it should, and goes on where it was."""
    tables = data.load(None, TABLES)
    measured, failures = measure(tables, chosen, args)
    for name, table, _, why in failures:
        check(False, f"{name} on {table}: {why}")
    results = args.out / "results.jsonl"
    records = list(Results(results).records.values())
    complete = measured == len(records) == len(TABLES) * len(chosen)
    yield check(complete, "a result for every method on every table")
    if not complete:
        return
    for record in records:
        # With less than 40 rows LightGBM's trees have no split.
        if record["method"] in methods.RANKED:
            least = 1 / 3 < record["accuracy"] and sum(count for count, _, _ in record["bins"]) == record["queries"]
            yield check(least, f"{record['method']} on {record['table']} is better than chance")
    text = (args.out / "report.md").read_text()
    yield check(f"## {ROWS} labelled rows: {len(TABLES)} tables" in text, "the report has all tables")
    pictures = ["ranks.svg"] + ["forest.svg"] * ({methods.OURS, "forest"} <= set(chosen))
    yield check(all(xml.parse(args.out / name) for name in pictures), f"pictures: {', '.join(pictures)}")
    before = [(args.out / name).read_bytes() for name in pictures]
    yield check(measure(tables, chosen, args)[0] == 0, "what is finished is not repeated")
    lines = results.read_text().splitlines(keepends=True)
    results.write_text("".join(lines[:-2]) + lines[-2][:20])
    yield check(measure(tables, chosen, args)[0] == 2, "what was cut off is")
    again = {r["key"]: (r["accuracy"], r["log_loss"]) for r in map(json.loads, results.read_text().splitlines())}
    yield check(again == {r["key"]: (r["accuracy"], r["log_loss"]) for r in records}, "and gives the same")
    yield check([(args.out / name).read_bytes() for name in pictures] == before, "pictures are the same bytes")
    results.write_text("{}\n")
    try:
        Results(results)
        yield check(False, "a broken result is refused")
    except data.Fault as fault:
        yield check(f"{results}: line 1" in str(fault), "a broken result is refused")


def run(chosen, args, measure):
    """0 if every check holds, else 1."""
    with tempfile.TemporaryDirectory() as folder:
        args = copy.copy(args)
        args.out, args.rows, args.splits, args.queries = Path(folder), [ROWS], 1, 200
        held = [*by_hand(), *of_records(), *whole(chosen, args, measure)]
    print(f"{sum(held)} passed, {len(held) - sum(held)} failed")
    return 0 if all(held) else 1
