"""Times this project beside PyTorch and JAX, in turn within one run, and writes tables of the ratios.

Every system is a process of its own that holds its model and waits; one after another is told to repeat its job a few
times, round after round. A ratio compares the medians of two systems within one round, so that what else the machine
does falls on both; its median, least and greatest value over the rounds are written down.
"""

import argparse
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENT = {
    **os.environ,
    "RAYON_NUM_THREADS": "2",
    "OMP_NUM_THREADS": "2",
    "JAX_PLATFORMS": "cpu",
}
CENTRE = {"model": "transformer", "d_model": 256, "batch": 64, "time": 100, "input_dim": 196}
# Architectures, each with its layers at the size in the middle.
LAYERS = {
    "transformer": 4,
    "lstm": 2,
    "deltanet": 4,
}
STEP_AXES = {"d_model": [64, 128, 512], "batch": [8, 256], "time": [50, 200, 400]}
# Tokens of a chunk of the DeltaNet peer, of which the fastest is what counts.
CHUNKS = [16, 32, 64, 128]
# System, mode. The first one is ours, and what the others are compared with; "plain" is the same program on Burn's plain
# operations.
SYSTEMS = [("gpicl", "native"), ("gpicl", "plain"), ("torch", "eager"), ("torch", "compiled"), ("jax", "jit")]


def systems(job, sizes, device):
    """What is measured: everything at the sizes in the middle, elsewhere and on a GPU this project and PyTorch."""
    middle = {**sizes, "model": CENTRE["model"]} == CENTRE
    for system, mode in SYSTEMS:
        if device != "cpu" and (system == "jax" or mode == "plain"):
            continue
        if mode == "plain" and not (job == "step" and sizes == CENTRE):
            continue
        if mode == "compiled" and job == "tasks":
            continue
        if system == "jax" and (sizes["model"] == "deltanet" or job == "step" and not middle):
            continue
        yield system, mode


class Worker:
    """One system with one job prepared. It is stopped while it waits for its turn, so that threads that spin for work, as
    each system sees fit, keep no core busy."""

    def __init__(self, system, mode, config, cores):
        self.system, self.mode = system, mode
        job = json.dumps({**config, "mode": mode})
        if system == "gpicl":
            command = [os.environ["PEERS_WORKER"], job]
        else:
            command = [sys.executable, str(HERE / f"{system}_worker.py"), job]
        # A GPU's driver has threads of its own, and work for other cores than two.
        pinned = ["taskset", "-c", cores] if config["device"] == "cpu" else []
        # One that is stopped would not notice that nobody asks any more.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *pinned, *command], text=True,
            env={**ENVIRONMENT, "GPICL_OPS": "reference" if mode == "plain" else "native"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.ready = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the worker of {self.system} ({self.mode}) died; its message is above")
        self.process.send_signal(signal.SIGSTOP)
        return json.loads(line)

    def ask(self, line):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def stop(self):
        memory = self.ask("quit")
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait()
        return memory


def best_chunk(config, cores):
    """The chunk with which PyTorch's DeltaNet is fastest."""

    def seconds(chunk):
        worker = Worker("torch", "eager", {**config, "chunk": chunk}, cores)
        times = worker.ask("go 4")["seconds"][1:]
        worker.stop()
        print(f"chunks of {chunk}: {1000 * statistics.median(times):.1f} ms", file=sys.stderr, flush=True)
        return statistics.median(times)

    return min(CHUNKS, key=seconds)


def measure(job, precision, sizes, args):
    """A row for every system: its times a round and its memory, for one job at one size."""
    config = {
        "job": job, "precision": precision, "device": args.device, **sizes,
        "layers": LAYERS[sizes["model"]], "heads": max(1, sizes["d_model"] // 32), "d_ff": 4 * sizes["d_model"],
    }  # fmt: skip
    if sizes["model"] == "deltanet":
        config["chunk"] = best_chunk(config, args.cores)
    workers = [Worker(*system, config, args.cores) for system in systems(job, sizes, args.device)]
    if len({worker.ready["parameters"] for worker in workers}) != 1:
        raise SystemExit(f"models differ: {[(w.system, w.ready) for w in workers]}")
    # Repetitions that take about a third of a second.
    counts = [max(1, min(200, round(0.3 / worker.ask("go 2")["seconds"][-1]))) for worker in workers]
    times = [[] for _ in workers]
    for _ in range(args.rounds):
        for worker, count, rows in zip(workers, counts, times):
            # The first repetition finds the caches as the others left them.
            rows.append(statistics.median(worker.ask(f"go {count + 1}")["seconds"][1:]))
    rows = []
    for worker, seconds in zip(workers, times):
        memory = worker.stop()
        rows.append({
            "job": job, "precision": precision, **sizes, "system": worker.system, "mode": worker.mode,
            "version": worker.ready["version"], "seconds": seconds, "peak_mib": memory["peak_kib"] / 1024,
            "added_mib": (memory["peak_kib"] - memory["base_kib"]) / 1024,
        })  # fmt: skip
    return rows


def spread(values, digits):
    """Median (least to greatest)."""
    middle, least, greatest = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({least:.{digits}f} to {greatest:.{digits}f})"


def ratios(rows, system):
    """How much longer than ours each round of the faster mode of a system took."""
    ours, *others = rows
    modes = [row for row in others if row["system"] == system]
    if not modes:
        return None
    best = min(modes, key=lambda row: statistics.median(row["seconds"]))
    return [theirs / own for theirs, own in zip(best["seconds"], ours["seconds"])]


def machine(device):
    """What computed: the processor's or the GPU's name."""
    if device == "cuda":
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        name, driver = subprocess.run(query, check=True, text=True, capture_output=True).stdout.splitlines()[0].split(", ")
        return f"{name}, driver {driver}, memory of the host alone"
    with open("/proc/cpuinfo") as info:
        name = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    return f"2 threads of {os.cpu_count()} cores of {name}"


def heading(groups, device):
    """What was measured, on what."""
    versions = {row["system"]: row["version"] for rows in groups for row in rows}
    names = {"gpicl": "gpicl", "torch": "PyTorch", "jax": "JAX"}
    versions = ", ".join(f"{names[system]} {version}" for system, version in versions.items())
    return f"{machine(device)}; {versions}."


def table(groups):
    """A line of Markdown for every job and size."""
    yield "| job | model | precision | d_model | batch | T | inputs | gpicl, ms | Burn plain | torch eager | compiled | jax |" + (
        " torch / gpicl | jax / gpicl | MiB added: gpicl | Burn plain | torch eager | compiled | jax |"
    )
    yield "| --- | --- | --- |" + " ---: |" * 16
    for rows in groups:
        by = {(row["system"], row["mode"]): row for row in rows}
        cells = [rows[0][key] for key in ("job", "model", "precision", "d_model", "batch", "time", "input_dim")]
        for system in SYSTEMS:
            row = by.get(system)
            cells.append(f"{1000 * statistics.median(row['seconds']):.2f}" if row else "-")
        for system in ("torch", "jax"):
            found = ratios(rows, system)
            cells.append(spread(found, 2) if found else "-")
        for system in SYSTEMS:
            cells.append(f"{by[system]['added_mib']:.0f}" if system in by else "-")
        yield "| " + " | ".join(map(str, cells)) + " |"


def plan(only, quick, where, device):
    """Job, precision and sizes of every measurement, of those for which `where` holds."""
    sizes = [CENTRE]
    if not quick:
        sizes += [{**CENTRE, axis: value} for axis, values in STEP_AXES.items() for value in values]
        sizes += [{**CENTRE, "d_model": 128, "batch": 16}]
    jobs = {
        "step": [("step", precision, size) for precision in ("fp32", "bf16") for size in sizes],
        "recurrent": [("step", "fp32", {**CENTRE, "model": model}) for model in LAYERS if model != "transformer"],
        "tasks": [("tasks", "fp32", {**CENTRE, "input_dim": dim}) for dim in (196, 784)],
        "predict": [("predict", "fp32", {**CENTRE, "batch": batch}) for batch in (1, 8)],
    }
    if device != "cpu":
        # This project makes tasks on the CPU, whatever trains on them.
        del jobs["tasks"]
    entries = [entry for job, entries in jobs.items() if only in (None, job) for entry in entries]
    found = [{**sizes, "job": job, "precision": precision} for job, precision, sizes in entries]
    for condition in where:
        key, _, values = condition.partition("=")
        if key not in found[0]:
            raise ValueError(f"--where {condition}: expected one of {', '.join(found[0])}, then = and values")
        found = [row for row in found if str(row[key]) in values.split(",")]
        if not found:
            raise ValueError(f"--where {condition}: no measurement is left; they are those of `plan` in this file")
    return [(row.pop("job"), row.pop("precision"), row) for row in found]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="only the size in the middle, for every job")
    parser.add_argument("--only", choices=["step", "recurrent", "tasks", "predict"])
    parser.add_argument("--where", nargs="*", default=[], metavar="KEY=VALUE,..", help="such as precision=bf16 time=50,400")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--cores", default="0,1", help="two processors that share no core (see lscpu --extended)")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    args = parser.parse_args()
    if "PEERS_WORKER" not in os.environ:
        parser.error("PEERS_WORKER is not set; use bench/peers/run, which builds it")
    if args.rounds < 1:
        parser.error(f"--rounds {args.rounds}: expected 1 or more")
    allowed = {str(core) for core in os.sched_getaffinity(0)}
    if len(set(args.cores.split(",")) & allowed) != 2 or args.cores.count(",") != 1:
        parser.error(f"--cores {args.cores}: expected two of {', '.join(sorted(allowed, key=int))}")
    if args.device != "cpu" and args.only == "tasks":
        parser.error("--only tasks: tasks are made on the CPU")
    try:
        entries = plan(args.only, args.quick, args.where, args.device)
    except ValueError as error:
        parser.error(str(error))
    groups = []
    for job, precision, sizes in entries:
        print(job, precision, sizes, file=sys.stderr, flush=True)
        groups.append(measure(job, precision, sizes, args))
        print(list(table(groups[-1:]))[-1], file=sys.stderr, flush=True)
        # After every row: what comes later may take long, or fail.
        text = write(groups, args)
    print(text, end="")


def write(groups, args):
    """Writes what was measured so far; returns the table."""
    args.out.mkdir(parents=True, exist_ok=True)
    text = heading(groups, args.device) + "\n\n" + "\n".join(table(groups)) + "\n"
    (args.out / "table.md").write_text(text)
    with open(args.out / "rounds.csv", "w", newline="") as file:
        fields = [key for key in groups[0][0] if key != "seconds"]
        writer = csv.writer(file)
        writer.writerow([*fields, "round", "seconds"])
        for row in (row for rows in groups for row in rows):
            for number, seconds in enumerate(row["seconds"]):
                writer.writerow([*(row[field] for field in fields), number, seconds])
    return text


if __name__ == "__main__":
    main()
