#!/usr/bin/env bash
# What a GPU is for, in the order of its worth: the studies on all of PHEE, then the speed of a 7B model. Resumable: the
# same call goes on where it was.   bash benchmarks/gpu.sh PHEE OUT [SECONDS for the study] [JOBS]
set -euo pipefail
phee=$1 out=$2 seconds=${3:-86400} jobs=${4:-12}
cd "$(dirname "$0")/.."
mkdir -p "$out"
# after SECONDS: Ctrl-C, so that cells that train leave a checkpoint
timeout --signal INT --kill-after 60 "$seconds" \
  python -m mnemoscope study studies/phee.yaml --data "$phee" --out "$out/phee" --jobs "$jobs" || echo "the study ended with $?" >&2
python scripts/carry_study.py pack "$out/phee" "$out/phee.tar.xz"
python benchmarks/large.py --data "$phee" --scratch "$out" --out "$out/large.csv"
