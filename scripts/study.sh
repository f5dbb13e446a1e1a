#!/usr/bin/env bash
# The study behind docs/study.md: what makes learning-to-learn emerge soon. Several variants of the quick start,
# three seeds each; prints a Markdown table, of the validation split, since it is there to choose by.
#
#   scripts/study.sh target/release/gpicl runs/study [steps]
#
# The end of the plateau is the first logged step from which the training loss stays below 2.1 nats (chance is
# ln 10 = 2.303). A run that is there already is not repeated.
set -euo pipefail
gpicl=$(realpath "$1") out=$2 steps=${3:-300}
seeds=(0 1 2)
mkdir -p "$out"

declare -A variants=(
  [a-quickstart]=""
  [b-independent-qk]="model.qk_init=independent"
  [c-label-one]="model.label_scale={absolute=1.0}"
  [d-positions]="model.positions=true"
  [e-lr-1e-3]="train.lr=1e-3"
  [f-one-head]="model.heads=1"
  [g-shifted]="model.layout=shifted model.positions=true"
  [h-bf16]="precision=bf16"
  [i-shifted-independent]="model.layout=shifted model.positions=true model.qk_init=independent"
)
names=$(printf '%s\n' "${!variants[@]}" | sort)

for seed in "${seeds[@]}"; do
  for name in $names; do
    run=$out/$name-seed$seed
    [ -e "$run/results.json" ] && continue
    sets=(--seed "$seed" --set train.steps="$steps" --set eval.every=0)
    for set in ${variants[$name]}; do sets+=(--set "$set"); done
    echo "$gpicl train --preset quickstart --run $run ${sets[*]}"
  done
done | xargs -P "${JOBS:-2}" -I{} env RAYON_NUM_THREADS=1 sh -c '{} --quiet >/dev/null'

echo "| variant | settings | plateau ends at step (each seed) | unseen tasks, last 10 positions |"
echo "| --- | --- | ---: | ---: |"
for name in $names; do
  ends=()
  for seed in "${seeds[@]}"; do
    ends+=("$(python3 - "$out/$name-seed$seed/metrics.jsonl" <<'PY'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
lines = [(line["step"], line["loss"]) for line in lines if line["kind"] == "train"]
high = [i for i, (_, loss) in enumerate(lines) if loss >= 2.1]
after = high[-1] + 1 if high else 0
print(lines[after][0] if after < len(lines) else "never")
PY
)")
  done
  runs=()
  for seed in "${seeds[@]}"; do runs+=("$out/$name-seed$seed"); done
  accuracy=$("$gpicl" eval "${runs[@]}" --split validation --json --out "$out/$name" | python3 -c '
import json, sys
curve = json.load(sys.stdin)["curves"][1]["summary"]["last_10"]
half = 50 * (curve["high"] - curve["low"])
mean = 100 * curve["mean"]
print(f"{mean:.1f} ± {half:.1f}")')
  echo "| ${name#*-} | \`${variants[$name]:-as the preset}\` | $(IFS=' '; echo "${ends[*]}") | $accuracy |"
done
