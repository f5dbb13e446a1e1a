"""Seconds and memory of many queries: every method a process that reads two CSV files."""

import json
import math
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from sklearn.datasets import make_classification

import report
from data import Fault
from methods import OURS

HERE = Path(__file__).parent
QUERIES, FEATURES, CLASSES = 10_000, 20, 3
LABELLED = [100, 1000]
ENSEMBLE = 8
ROUNDS = 3
# Queries that are asked alone to see whether they are answered alike.
BATCH = 100
SEED = 0
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")


def tables(folder, labelled):
    """A made table in two files: labelled rows, and queries without labels."""
    x, y = make_classification(
        labelled + QUERIES, FEATURES, n_informative=FEATURES // 2, n_classes=CLASSES, random_state=SEED
    )
    frame = pd.DataFrame(x, columns=[f"f{column}" for column in range(FEATURES)])
    context, query = folder / "context.csv", folder / "query.csv"
    frame[:labelled].assign(label=[f"class{label}" for label in y[:labelled]]).to_csv(context, index=False)
    frame[labelled:].to_csv(query, index=False)
    return context, query


def timed(command, threads):
    """Runs a command; its output, seconds and peak memory."""
    environment = {**os.environ, **{name: str(threads) for name in THREADS}}
    watched = [sys.executable, "-S", "-E", str(HERE / "peak.py"), *command]
    done = subprocess.run(watched, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Fault(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout, json.loads(done.stderr.splitlines()[-1])


def command(name, method, context, query, out):
    if name != OURS:
        return [sys.executable, str(HERE / "classical_worker.py"), name, str(context), str(query), str(out)]
    return method.command(context, query, out)


def alike(method, context, query, folder, threads):
    """Whether gpicl writes the same bytes under one and under all threads, and for a few queries alone."""
    few = folder / "few.csv"
    few.write_text("".join(query.open().readlines()[: 1 + BATCH]))
    outs = [folder / f"alike{n}.csv" for n in range(3)]
    timed(method.command(context, query, outs[0]), 1)
    timed(method.command(context, query, outs[1]), threads)
    timed(method.command(context, few, outs[2]), threads)
    whole, again, alone = (out.read_bytes() for out in outs)
    return whole == again, whole.startswith(alone)


def lines(chosen, threads):
    """Lines of the report."""
    yield f"# {QUERIES:,} queries against made tables of {FEATURES} features and {CLASSES} classes"
    yield ""
    ours = f" gpicl is told `{shlex.join(chosen[OURS].options)}`." if OURS in chosen else ""
    yield f"{report.machine()}; medians of {ROUNDS} rounds, the greatest peak of resident memory."
    yield f"A process starts, reads two CSV files, fits, predicts and writes.{ours}"
    yield ""
    yield from report.header(["method", "labelled rows", "threads", "process, s", "fit, s", "predict, s", "peak, MiB"])
    same = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for labelled in LABELLED:
            files = tables(folder, labelled)
            for name, method in chosen.items():
                for count in sorted({1, threads}):
                    cells = measure(name, command(name, method, *files, folder / "out.csv"), count)
                    yield report.line([name, str(labelled), str(count), *cells])
            if OURS in chosen:
                answers = alike(chosen[OURS], *files, folder, threads)
                same.append([str(labelled), *("yes" if answer else "**no**" for answer in answers)])
    if same:
        yield ""
        alone = f"the first {BATCH} queries alone"
        yield from report.header(["labelled rows", f"same bytes under 1 and {threads} threads", alone])
        yield from map(report.line, same)


def measure(name, command, threads):
    """Cells of a line: seconds of the process, of fit and predict where it tells them, and MiB."""
    print(f"{name}, threads: {threads}", file=sys.stderr, flush=True)
    runs = [timed(command, threads) for _ in range(ROUNDS)]
    told = [json.loads(text) if name != OURS else {} for text, _ in runs]
    seconds = statistics.median(watched["seconds"] for _, watched in runs)
    parts = [statistics.median(inner.get(part, math.nan) for inner in told) for part in ("fit", "predict")]
    peak = max(watched["peak_mib"] for _, watched in runs)
    return [f"{seconds:.2f}", *(report.number(part, 3) for part in parts), f"{peak:.0f}"]


def run(chosen, args):
    """Writes `speed.md`."""
    if OURS in chosen and "--ensemble" not in shlex.join(args.options):
        chosen[OURS].options = [*args.options, "--ensemble", str(ENSEMBLE)]
    text = "\n".join(lines(chosen, len(os.sched_getaffinity(0)))) + "\n"
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "speed.md").write_text(text)
    print(text, end="")
    return 0
