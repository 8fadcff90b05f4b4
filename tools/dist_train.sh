#!/usr/bin/env bash
# Train on GPUS processes of this machine, one GPU each (without GPUs: on the CPU).
# On one machine a free port is chosen, unless PORT names one. On NNODES machines, run it on each with
# its NODE_RANK and the same MASTER_ADDR and PORT.
# Options of torchrun itself, such as --max-restarts=3: TORCHRUN_ARGS.
set -euo pipefail
if [ "$#" -lt 2 ]; then
    echo "usage: tools/dist_train.sh CONFIG GPUS [further arguments of tools/train.py]" >&2
    exit 2
fi
CONFIG=$1
GPUS=$2
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
# Slurm's signal before the end of a job reaches torchrun, too, which older versions can't pass on.
find_launcher='import importlib.util as u; print(*u.find_spec("torch").submodule_search_locations)'
if grep -qs -e --signals-to-handle "$("$PYTHON" -c "$find_launcher" 2>/dev/null)/distributed/run.py"; then
    place+=(--signals-to-handle=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1)
fi

# TORCHRUN_ARGS may hold several arguments, so it is not quoted.
# shellcheck disable=SC2086
PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}" exec "$PYTHON" -m mmselfsup.utils.torchrun \
    "${place[@]}" --nproc_per_node="$GPUS" ${TORCHRUN_ARGS:-} \
    "$ROOT/tools/train.py" "$CONFIG" --launcher pytorch "${@:3}"
