#!/usr/bin/env bash
# Train on GPUS processes of this machine, one GPU each (without GPUs: on the CPU).
# On NNODES machines, run it on each with its NODE_RANK and the same MASTER_ADDR and PORT.
set -euo pipefail
if [ "$#" -lt 2 ]; then
    echo "usage: tools/dist_train.sh CONFIG GPUS [further arguments of tools/train.py]" >&2
    exit 2
fi
CONFIG=$1
GPUS=$2
NNODES=${NNODES:-1}
NODE_RANK=${NODE_RANK:-0}
PORT=${PORT:-29500}
MASTER_ADDR=${MASTER_ADDR:-"127.0.0.1"}
PYTHON=${PYTHON:-python3}
ROOT=$(cd "$(dirname "$0")/.." && pwd)

PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" exec "$PYTHON" -m torch.distributed.run \
    --nnodes="$NNODES" --node_rank="$NODE_RANK" --master_addr="$MASTER_ADDR" \
    --master_port="$PORT" --nproc_per_node="$GPUS" \
    "$ROOT/tools/train.py" "$CONFIG" --launcher pytorch "${@:3}"
