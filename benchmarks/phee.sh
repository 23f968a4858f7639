#!/bin/sh
# The runs behind docs/results.md, from training to the page; each is resumable, so a stopped one is given again.
#
#     sh benchmarks/phee.sh ../shared/phee runs
#
# Estimated from the rates in docs/results.md: an hour on 2 cores with fast bfloat16, several without.
set -eu
DATA=$1 RUNS=$2
MODEL=smollm2-135m-instruct-q4

run() { # NAME "FINETUNE OPTIONS" "AUDIT OPTIONS"
    finetune="mnemoscope finetune $MODEL --data $DATA $2 --out $RUNS/$1"
    audit="mnemoscope audit $MODEL --adapter $RUNS/$1 $3"
    $finetune
    $audit
    python scripts/results.py --collect "$RUNS/$1" "$1" --command "$finetune" --command "$audit" --note "${NOTE:-}"
}

run v-r4 "--matrices v --rank 4 --seed 13" ""
run qkvo-r16 "--matrices qkvo --rank 16 --epochs 5 --seed 13" ""
run qkvo-r16-quarter \
    "--share 0.25 --matrices qkvo --rank 16 --epochs 1 --learning-rate 3e-3 --batch-size 8 --dropout 0 --seed 13" \
    "--attacks all --shadows 8"
