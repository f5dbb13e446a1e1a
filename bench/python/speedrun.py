"""How soon is a learner there? One recipe of `scripts/speedrun.py` by the command and by PyTorch, in turn.

    python bench/python/speedrun.py target/release/gpicl OUT [--seeds 3] [--precision fp32] [--compiled]

Both meta-train the quick start's Transformer with one head for 150 steps, from the same weights, on the same tasks, by the
same rates. PyTorch is fed by this package, which is faster than what one writes (`tasks.py`). Seconds are those of the steps,
tasks among them; PyTorch has warmed up before. Accuracy is that of PyTorch's forward pass of either's weights, last ten
positions of 512 episodes of unseen tasks of meta-training's own characters. Three minutes of two cores.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

import torch
import torch.nn.functional as F

import gpicl
from gpicl.tasks import TaskDistribution

sys.path.append(str(Path(__file__).parents[2] / "crates/gpicl-python/examples"))
from transformer import Transformer  # noqa: E402

STEPS = 150


def unseen(run, batches=32):
    """Batches of unseen tasks of the run's images."""
    tasks = TaskDistribution.from_config(run / "config.toml", mode="unseen")
    return [tuple(map(torch.from_numpy, tasks.batch(at))) for at in range(batches)]


def last_10(model, batches):
    with torch.no_grad():
        hits = [(model(x, y).argmax(-1) == y)[:, -10:].float().mean().item() for x, y in batches]
    return 100 * statistics.mean(hits)


def train(run, settings, seed):
    """A run of the command."""
    settings = {"model.heads": 1, "eval.every": 0, "train.checkpoint_every": 1_000_000, **settings}
    command = [OPTIONS.gpicl, "train", "--preset", "quickstart", "--run", run, "--seed", str(seed), "--quiet"]
    command += [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    if (run / "config.toml").exists():
        # A run that a stop cut short.
        shutil.rmtree(run)
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        sys.exit(f"{OPTIONS.gpicl}: failed as above")
    return gpicl.Run(run)


def module(run):
    """A run's network in PyTorch."""
    tasks = TaskDistribution.from_config(run.path / "config.toml")
    return Transformer.of(run, tasks.shape[2], tasks.classes, tasks.shape[1])


def ours(run, seed):
    """Seconds, and the network."""
    run = train(run, {"train.steps": STEPS, "precision": OPTIONS.precision}, seed)
    return json.loads((run.path / "timing.jsonl").read_text().splitlines()[-1])["seconds"], module(run)


def theirs(run, network):
    """Seconds of meta-training `network` as `run` was."""
    config, tasks = run.config["train"], TaskDistribution.from_config(run.path / "config.toml")
    betas, warmup, last = tuple(config["betas"]), config["warmup"], config["schedule"]["cosine"]["last"]
    optimizer = torch.optim.AdamW(network.parameters(), betas=betas, eps=config["eps"], weight_decay=0.0, fused=True)

    def rate(step):
        done = max(step - warmup, 0) / (STEPS - warmup)
        return config["lr"] * min(step / warmup, 1.0) * (last + (1 - last) * (1 + math.cos(math.pi * done)) / 2)

    def loss(x, y):
        with torch.autocast("cpu", torch.bfloat16, enabled=OPTIONS.precision == "bf16"):
            logits = network(x, y)
        return F.cross_entropy(logits.float().flatten(0, 1), y.flatten())

    if OPTIONS.compiled:
        loss = torch.compile(loss)
    loss(*map(torch.from_numpy, tasks.batch(0))).backward()
    batches = tasks.batches(stop=STEPS)
    first = next(batches)
    started = time.perf_counter()
    for step, (x, y) in enumerate(chain([first], batches), 1):
        optimizer.param_groups[0]["lr"] = rate(step)
        value = loss(torch.from_numpy(x), torch.from_numpy(y))
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config["clip"], foreach=True)
        optimizer.step()
    return time.perf_counter() - started


def main():
    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    mode = "compiled" if OPTIONS.compiled else "eager"
    rows = []
    for seed in range(OPTIONS.seeds):
        name = f"{OPTIONS.precision}-{mode}-{seed}"
        run, done = OPTIONS.out / name, OPTIONS.out / f"{name}.json"
        if done.exists():
            rows.append(json.loads(done.read_text()))
            continue
        our_seconds, our_network = ours(run, seed)
        # One step of no size: the weights that the run began with.
        their_network = module(train(OPTIONS.out / f"start-{name}", {"train.steps": 1, "train.lr": 1e-30, "eval.final_episodes": 2}, seed))
        their_seconds = theirs(gpicl.Run(run), their_network)
        batches = unseen(run)
        rows.append([our_seconds, last_10(our_network, batches), their_seconds, last_10(their_network, batches)])
        done.write_text(json.dumps(rows[-1]))
        print("seed {}: gpicl {:.1f} s, {:.1f}%; PyTorch {:.1f} s, {:.1f}%".format(seed, *rows[-1]), flush=True)
    times = [row[2] / row[0] for row in rows]
    spread = f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})"
    print(f"{threads} threads, {OPTIONS.precision}, PyTorch {torch.__version__}, {mode}: gpicl {spread} times as fast")
    ours_mean, theirs_mean = (statistics.mean(row[at] for row in rows) for at in (1, 3))
    print(f"mean of {OPTIONS.seeds} seeds: gpicl {ours_mean:.1f}%, PyTorch {theirs_mean:.1f}%")


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("gpicl", type=Path, help="the program")
parser.add_argument("out", type=Path, help="folder for the runs; seeds that are in it already are not run again")
parser.add_argument("--seeds", type=int, default=3, help="runs of each side, one after the other in turn; default: 3")
parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of both; default: fp32")
parser.add_argument("--compiled", action="store_true", help="PyTorch's step through torch.compile")
OPTIONS = parser.parse_args()
OPTIONS.gpicl = OPTIONS.gpicl.resolve()
if not OPTIONS.gpicl.is_file():
    parser.error(f"{OPTIONS.gpicl}: no such program; build it with `cargo build --release`")
if OPTIONS.seeds < 1:
    parser.error(f"--seeds: is {OPTIONS.seeds}; give 1 or more")
OPTIONS.out.mkdir(parents=True, exist_ok=True)
main()
