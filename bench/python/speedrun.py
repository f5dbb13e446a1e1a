"""How soon is a learner there? A recipe like one of `scripts/speedrun.py` by the command and by PyTorch, in turn.

    python bench/python/speedrun.py target/release/gpicl OUT [--goal glyphs|mnist] [--seeds 3] [--precision fp32] [--compiled]

Both meta-train the same network (glyphs: the quick start's Transformer with one head, 150 steps; mnist: the preset's mesa-net, 100
steps) from the same weights, on the same tasks, by the same rates, with the same optimizer. PyTorch is fed by this package,
which is faster than what one writes (`tasks.py`). Seconds are those of the steps, tasks among them; PyTorch has warmed up
before. Accuracy is that of PyTorch's forward pass of either's weights, last ten positions of 512 episodes of unseen tasks of
meta-training's own images. Three minutes of two cores; mnist, whose data the command finds as ever, takes seven.

In bf16 PyTorch computes under autocast, but for the regression of the mesa-net, which is fp32 in both.
"""

import argparse
import contextlib
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
from unittest import mock

import torch
import torch.nn.functional as F

import gpicl
from gpicl.tasks import TaskDistribution
from mesa_net import MesaNet, Transformer

# Goal: preset, settings, and the network in PyTorch.
GOALS = {
    "glyphs": ("quickstart", {"train.steps": 150, "model.heads": 1}, Transformer),
    "mnist": ("mnist-mesa", {"train.steps": 100}, MesaNet),
}


def unseen(run, episodes=512):
    """Batches of unseen tasks of the run's images."""
    tasks = TaskDistribution.from_config(run / "config.toml", mode="unseen")
    return [tuple(map(torch.from_numpy, tasks.batch(at))) for at in range(episodes // tasks.shape[0])]


def last_10(model, batches):
    with torch.no_grad():
        hits = [(model(x, y).argmax(-1) == y)[:, -10:].float().mean().item() for x, y in batches]
    return 100 * statistics.mean(hits)


def train(run, settings, seed):
    """A run of the command."""
    preset, recipe, _ = GOALS[OPTIONS.goal]
    # The command's own meta-test is not looked at.
    quick = {"eval.every": 0, "eval.data": "[]", "eval.final_episodes": 2, "train.checkpoint_every": 1_000_000}
    settings = {**recipe, **quick, "precision": OPTIONS.precision, **settings}
    command = [OPTIONS.gpicl, "train", "--preset", preset, "--run", run, "--seed", str(seed), "--quiet"]
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
    return GOALS[OPTIONS.goal][2].of(run, tasks.shape[2], tasks.classes, tasks.shape[1])


def ours(run, seed):
    """Seconds, and the network."""
    run = train(run, {}, seed)
    return json.loads((run.path / "timing.jsonl").read_text().splitlines()[-1])["seconds"], module(run)


def optimizers(network, config):
    """PyTorch's own: AdamW, and, of the maps between hidden vectors, Muon where the run has it."""
    assert config["weight_decay"] == 0, "a recipe with weight decay"
    hidden = []
    if config["optimizer"] == "muon":
        named = dict(network.named_parameters())
        assert not any("qkv" in name for name in named), "Muon of three maps in one matrix"
        hidden = [p for name, p in named.items() if name.startswith("blocks.") and p.ndim == 2]
    chosen = set(map(id, hidden))
    rest = [p for p in network.parameters() if id(p) not in chosen]
    found = [torch.optim.AdamW(rest, betas=tuple(config["betas"]), eps=config["eps"], weight_decay=0.0, fused=True)]
    if hidden:
        found.append(torch.optim.Muon(hidden, weight_decay=0.0, momentum=config["momentum"], adjust_lr_fn="match_rms_adamw"))
    return found


def fp32_iterations():
    """PyTorch's Muon iterates in bfloat16, which some processors are slow in; here it is made to do so in fp32, as the command does."""
    patch = mock.patch.object(torch, "bfloat16", torch.float32)
    moved = []
    for where in (patch, contextlib.nullcontext()):
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.randn(8, 20))
        weight.grad = torch.randn(8, 20)
        with where:
            torch.optim.Muon([weight]).step()
        moved.append(weight.detach())
    if torch.equal(*moved):
        sys.exit("this PyTorch's Muon cannot be made to iterate in fp32; take another version, or --precision bf16")
    return patch


def theirs(run, network):
    """Seconds of meta-training `network` as `run` was; it ends with the average of its weights where the run's does."""
    config, tasks = run.config["train"], TaskDistribution.from_config(run.path / "config.toml")
    warmup, last, steps, decay = config["warmup"], config["schedule"]["cosine"]["last"], config["steps"], config["average"]
    chosen, weights = optimizers(network, config), list(network.parameters())
    average = [weight.detach().clone() for weight in weights]
    iterates = contextlib.nullcontext()
    if len(chosen) > 1 and OPTIONS.precision == "fp32":
        iterates = fp32_iterations()

    def rate(step):
        done = max(step - warmup, 0) / (steps - warmup)
        return config["lr"] * min(step / warmup, 1.0) * (last + (1 - last) * (1 + math.cos(math.pi * done)) / 2)

    def loss(x, y):
        with torch.autocast("cpu", torch.bfloat16, enabled=OPTIONS.precision == "bf16"):
            logits = network(x, y)
        return F.cross_entropy(logits.float().flatten(0, 1), y.flatten())

    if OPTIONS.compiled:
        loss = torch.compile(loss)
    loss(*map(torch.from_numpy, tasks.batch(0))).backward()
    batches = tasks.batches(stop=steps)
    first = next(batches)
    started = time.perf_counter()
    for step, (x, y) in enumerate(chain([first], batches), 1):
        value = loss(torch.from_numpy(x), torch.from_numpy(y))
        network.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(weights, config["clip"], foreach=True)
        with iterates:
            for optimizer in chosen:
                optimizer.param_groups[0]["lr"] = rate(step)
                optimizer.step()
        if decay:
            with torch.no_grad():
                torch._foreach_lerp_(average, weights, 1 - min(decay, (1 + step) / (10 + step)))
    seconds = time.perf_counter() - started
    if decay:
        with torch.no_grad():
            torch._foreach_copy_(weights, average)
    return seconds


def main():
    threads = len(os.sched_getaffinity(0))
    torch.set_num_threads(threads)
    mode = "compiled" if OPTIONS.compiled else "eager"
    rows = []
    for seed in range(OPTIONS.seeds):
        name = f"{OPTIONS.goal}-{OPTIONS.precision}-{mode}-{seed}"
        run, done = OPTIONS.out / name, OPTIONS.out / f"{name}.json"
        if done.exists():
            rows.append(json.loads(done.read_text()))
            continue
        our_seconds, our_network = ours(run, seed)
        # One step of no size: the weights that the run began with.
        start = {"train.steps": 1, "train.lr": 1e-30, "train.average": 0}
        their_network = module(train(OPTIONS.out / f"start-{name}", start, seed))
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
parser.add_argument("--goal", choices=GOALS, default="glyphs", help="whose recipe; default: glyphs")
parser.add_argument("--seeds", type=int, default=3, help="runs of each side, one after the other in turn; default: 3")
parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of both; default: fp32")
parser.add_argument("--compiled", action="store_true", help="PyTorch's loss and gradients through torch.compile")
OPTIONS = parser.parse_args()
OPTIONS.gpicl = OPTIONS.gpicl.resolve()
if not OPTIONS.gpicl.is_file():
    parser.error(f"{OPTIONS.gpicl}: no such program; build it with `cargo build --release`")
if OPTIONS.seeds < 1:
    parser.error(f"--seeds: is {OPTIONS.seeds}; give 1 or more")
OPTIONS.out.mkdir(parents=True, exist_ok=True)
main()
