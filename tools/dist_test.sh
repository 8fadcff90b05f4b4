#!/usr/bin/env bash
# Test on GPUS processes of this machine, one GPU each (without GPUs: on the CPU).
# On one machine a free port is chosen, unless PORT names one. On NNODES machines, run it on each with
# its NODE_RANK and the same MASTER_ADDR and PORT.
set -euo pipefail
if [ "$#" -lt 3 ]; then
    echo "usage: tools/dist_test.sh CONFIG CHECKPOINT GPUS [further arguments of tools/test.py]" >&2
    exit 2
fi
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
NNODES=${NNODES:-1}
NODE_RANK=${NODE_RANK:-0}
PORT=${PORT:-}
MASTER_ADDR=${MASTER_ADDR:-"127.0.0.1"}
PYTHON=${PYTHON:-python3}
ROOT=$(cd "$(dirname "$0")/.." && pwd)

if [ "$NNODES" = 1 ] && [ -z "$PORT" ]; then
    place=(--standalone)
else
    place=(--nnodes="$NNODES" --node_rank="$NODE_RANK" --master_addr="$MASTER_ADDR"
        --master_port="${PORT:-29500}")
fi

PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" exec "$PYTHON" -m mmselfsup.utils.torchrun \
    "${place[@]}" --nproc_per_node="$GPUS" \
    "$ROOT/tools/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "${@:4}"
