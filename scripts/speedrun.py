#!/usr/bin/env python3
"""How soon is a learner there? Meta-trains recipes from a fresh start and prints seconds, steps and accuracy of each.

    scripts/speedrun.py target/release/gpicl runs/speedrun [--goal glyphs|mnist] [--seeds N] [--split validation]

A recipe is there if its mean accuracy on unseen tasks of held-out images, over the seeds and the last ten positions, is at
least the goal. Seconds are those of the steps, from timing.jsonl; what is in the folder already is not done again. Leave the
machine alone meanwhile.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

# Goal: preset, accuracy in %, and recipes: what changed, and the settings.
GOALS = {
    "glyphs": (
        "quickstart",
        80.0,
        [
            ("the quick start", []),
            ("half of its steps", ["train.steps=150"]),
            ("half of its steps, one head", ["train.steps=150", "model.heads=1"]),
            ("half of its steps, one head, bf16", ["train.steps=150", "model.heads=1", "precision=bf16"]),
            ("120 steps, one head, bf16", ["train.steps=120", "model.heads=1", "precision=bf16"]),
        ],
    ),
    "mnist": (
        "mnist-mesa",
        74.0,
        [
            ("100 steps, bf16", ["train.steps=100", "precision=bf16"]),
            ("50 steps, bf16", ["train.steps=50", "precision=bf16"]),
        ],
    ),
}


def folder(options, goal, name, seed):
    """Where a run is."""
    plain = "".join(letter if letter.isalnum() else "-" for letter in name)
    return options.out / goal / f"{plain}-{seed}"


def train(options, preset, run, settings, seed):
    """One run, if it is not there; the seconds of its steps, the steps, the episodes."""
    if not (run / "results.json").exists():
        settings = ["eval.every=0", "train.checkpoint_every=1000000", *settings]
        command = [options.gpicl, "train", "--preset", preset, "--run", run, "--seed", str(seed), "--quiet"]
        gpicl(command + [part for setting in settings for part in ("--set", setting)])
    timing = [json.loads(line) for line in (run / "timing.jsonl").read_text().splitlines()]
    seconds = timing[-1]["seconds"]
    return seconds, timing[-1]["step"], round(timing[-1]["episodes_per_second"] * seconds)


def gpicl(command):
    """What a command prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def accuracy(options, runs):
    """Mean and half of the 95% interval, in %, over seeds and episodes, of the last ten positions of unseen tasks."""
    results = json.loads(gpicl([options.gpicl, "eval", *runs, "--split", options.split, "--json", "--out", options.out / "eval"]))
    curve = next(curve for curve in results["curves"] if curve["label"].startswith("unseen"))["summary"]["last_10"]
    return 100 * curve["mean"], 50 * (curve["high"] - curve["low"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gpicl", type=Path, help="the program")
    parser.add_argument("out", type=Path, help="folder for the runs")
    parser.add_argument("--goal", choices=GOALS, action="append", help="default: all")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each recipe")
    parser.add_argument("--split", default="test", choices=["validation", "test"], help="validation is there to choose by")
    options = parser.parse_args()
    options.gpicl = options.gpicl.resolve()
    if not options.gpicl.is_file():
        parser.error(f"{options.gpicl}: no such program; build it with `cargo build --release`")
    options.out.mkdir(parents=True, exist_ok=True)
    for goal in options.goal or GOALS:
        preset, least, recipes = GOALS[goal]
        print(f"\n{goal}: {least:.0f}% on unseen tasks, last 10 positions\n")
        print("| recipe | settings | steps | episodes | seconds, median (least to greatest) | accuracy, % | there |")
        print("| --- | --- | ---: | ---: | ---: | ---: | --- |")
        for name, settings in recipes:
            runs = [folder(options, goal, name, seed) for seed in range(options.seeds)]
            trained = [train(options, preset, run, settings, seed) for seed, run in enumerate(runs)]
            seconds = sorted(seconds for seconds, _, _ in trained)
            mean, half = accuracy(options, runs)
            _, steps, episodes = trained[0]
            spread = f"{statistics.median(seconds):.1f} ({seconds[0]:.1f} to {seconds[-1]:.1f})"
            text = " ".join(settings) or "as the preset"
            there = "yes" if mean >= least else "no"
            print(f"| {name} | `{text}` | {steps} | {episodes:,} | {spread} | {mean:.1f} ± {half:.1f} | {there} |", flush=True)


main()
