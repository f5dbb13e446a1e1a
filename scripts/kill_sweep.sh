#!/usr/bin/env bash
# A sweep of 64 tiny runs, killed with SIGKILL at ten random moments (the sweep itself, or one of its children), has to
# end with the results of an undisturbed one, byte for byte.
#
#     scripts/kill_sweep.sh target/release/gpicl [KILLS] [SEED]
#
# Prints a line a kill and a verdict; exit code 1 if a byte differs or the sweep was over before the last kill.
set -euo pipefail
gpicl=$(realpath "$1")
kills=${2:-10}
RANDOM=${3:-$$}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

cat >spec.toml <<'TOML'
seeds = [0, 1]
[base.data]
name = "random"
size = 8
classes = 3
per_class = 20
[base.tasks]
episode_length = 12
[base.model]
layers = 1
heads = 2
d_ff = 16
layout = "paired"
[base.train]
steps = 300
batch = 8
checkpoint_every = 25
[base.eval]
every = 50
episodes = 8
final_episodes = 32
[grid]
model.d_model = [4, 8]
tasks.count = ["2^0", "2^2", "2^4", "2^6", "2^8", "2^10", "2^12", "unlimited"]
train.lr = [0.001, 0.01]
TOML

runs() { find "$1/runs" -name results.json 2>/dev/null | wc -l; }
now() { date +%s%N; }

started=$(now)
"$gpicl" sweep spec.toml --out whole --quiet >/dev/null
took=$(($(now) - started))
echo "undisturbed: $(runs whole) runs in $((took / 1000000)) ms"

sweep=
begin() { "$gpicl" sweep spec.toml --out cut --quiet >/dev/null 2>&1 & sweep=$!; }
begin
for ((kill = 1; kill <= kills; kill++)); do
    # Up to 1.2 times what would bring the last kill to the end of an undisturbed sweep.
    pause=$((took / kills * (RANDOM % 121) / 100 / 1000000))
    sleep "$(printf '%d.%03d' $((pause / 1000)) $((pause % 1000)))"
    children=$(pgrep -P "$sweep" || true)
    if ! kill -0 "$sweep" 2>/dev/null; then
        echo "the sweep was over before kill $kill"
        exit 1
    fi
    if ((RANDOM % 2)) && [[ -n $children ]]; then
        victim=$(shuf -n 1 --random-source=<(yes $RANDOM) <<<"$children")
        echo "kill $kill after $pause ms: child $victim, $(runs cut) runs finished"
        kill -KILL "$victim" 2>/dev/null || true
    else
        echo "kill $kill after $pause ms: the sweep, $(runs cut) runs finished"
        kill -KILL "$sweep"
        wait "$sweep" 2>/dev/null || true
        begin
    fi
done
wait "$sweep"
echo "disturbed: $(runs cut) runs"
for file in results.csv results.json; do
    cmp "whole/$file" "cut/$file" || exit 1
done
for run in whole/runs/*; do
    for file in metrics.jsonl results.json; do
        cmp "$run/$file" "cut/runs/${run##*/}/$file" || exit 1
    done
done
echo "$kills kills, the same bytes: $(sha256sum <cut/results.csv | cut -c 1-16)"
