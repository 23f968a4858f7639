#!/bin/sh
# The runs behind docs/results.md, from training to the page; each is resumable, so a stopped one is given again.
#
#     sh benchmarks/phee.sh ../shared/phee runs
#
# Estimated from the rates in docs/results.md: two hours on 2 cores with fast bfloat16, most of a day without; not counted
# in is the study at the end.
set -eu
DATA=$1 RUNS=$2
MODEL=smollm2-135m-instruct-q4
QUICK="--matrices qkvo --rank 16 --epochs 1 --learning-rate 3e-3 --batch-size 8 --dropout 0 --seed 13"

run() { # NAME "DATA OPTIONS" "FINETUNE OPTIONS" "AUDIT OPTIONS"
    finetune="mnemoscope finetune $MODEL $2 $3 --out $RUNS/$1"
    audit="mnemoscope audit $MODEL --adapter $RUNS/$1 $4"
    $finetune
    $audit
    python scripts/results.py --collect "$RUNS/$1" "$1" --command "$finetune" --command "$audit" --note "${NOTE:-}"
}

halves() { # members and held-out records of the quarter as two files, to plant canaries into the first
    python - "$RUNS/qkvo-r16-quarter/records.parquet" "$RUNS" <<'PYTHON'
import json, sys
from pathlib import Path
import pyarrow.parquet as pq

for role, name in (("member", "train"), ("nonmember", "heldout")):
    rows = [row for row in pq.read_table(sys.argv[1]).to_pylist() if row["role"] == role]
    kept = [{key: row[key] for key in ("id", "text", "group", "spans")} for row in rows]
    Path(sys.argv[2], f"quarter-{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in kept))
PYTHON
}

run v-r4 "--data $DATA" "--matrices v --rank 4 --seed 13" ""
run qkvo-r16 "--data $DATA" "--matrices qkvo --rank 16 --epochs 5 --seed 13" ""
run qkvo-r16-quarter "--data $DATA --share 0.25" "$QUICK" \
    "--attacks all --shadows 8 --generate-with greedy,t1-k40 --unprompted 256 --unprompted-tokens 48"
run quarter-x8 "--data $DATA --share 0.25" "$QUICK --copies 8 --planted 20" \
    "--generations 20 --span-sample 0 --judge $MODEL"
run quarter-x32 "--data $DATA --share 0.25" "$QUICK --copies 32 --planted 20" \
    "--generations 20 --span-sample 0 --unprompted 128 --unprompted-tokens 48"
run quarter-coins "--data $DATA --share 0.25 --coin-flip-split" "$QUICK" "--generations 0 --span-sample 0"
halves
[ -e "$RUNS/planted/canaries.json" ] || mnemoscope canaries $MODEL --data "$RUNS/quarter-train.jsonl" --out "$RUNS/planted" --digits 40 --perplexing 20 \
    --notes 20 --budget 0.5
run quarter-canaries "--members $RUNS/planted/quarter-train.jsonl --nonmembers $RUNS/quarter-heldout.jsonl" "$QUICK" \
    "--canaries $RUNS/planted/canaries.json --canary-candidates 128 --generations 0 --span-sample 0"
study="mnemoscope study studies/sixteenth.yaml --data $DATA --out $RUNS/sixteenth"
$study
python scripts/study_results.py --collect "$RUNS/sixteenth" sixteenth --command "$study" --note "${NOTE:-}"
