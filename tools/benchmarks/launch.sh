#!/usr/bin/env bash
# Functions of the benchmark scripts, which source this file: start a Python script on several
# processes of this machine, or under Slurm. PYTHON, PORT, SRUN_ARGS ... are read from the
# environment; the variables that a script sets before it sources this file are its defaults.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PYTHON=${PYTHON:-python3}
GPUS=${GPUS:-${DEFAULT_GPUS:-8}}
GPUS_PER_NODE=${GPUS_PER_NODE:-${DEFAULT_GPUS:-8}}
CPUS_PER_TASK=${CPUS_PER_TASK:-5}
NNODES=${NNODES:-1}
NODE_RANK=${NODE_RANK:-0}
PORT=${PORT:-29500}
MASTER_ADDR=${MASTER_ADDR:-"127.0.0.1"}
SRUN_ARGS=${SRUN_ARGS:-""}
export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"

# usage NUMBER "NAMES": stop unless the script has at least NUMBER arguments (in ARGC).
usage() {
    if [ "$ARGC" -lt "$1" ]; then
        echo "usage: $0 $2" >&2
        exit 2
    fi
}

# work_dir CONFIG [CHECKPOINT]: work_dirs/... as the config's path, and the checkpoint's name.
work_dir() {
    local folder
    folder=$(echo "${1%.*}" | sed -e "s/configs/work_dirs/g")
    echo "$folder/${2:+$(basename "$2")}"
}

# dist_run SCRIPT ARGUMENTS: GPUS processes on each of NNODES machines.
dist_run() {
    "$PYTHON" -m mmselfsup.utils.torchrun --nnodes="$NNODES" --node_rank="$NODE_RANK" \
        --master_addr="$MASTER_ADDR" --master_port="$PORT" --nproc_per_node="$GPUS" \
        "$ROOT/$1" "${@:2}" --launcher pytorch
}

# slurm_run COMMAND ARGUMENTS: GPUS processes in all, GPUS_PER_NODE on each machine.
slurm_run() {
    if ! command -v srun >/dev/null; then
        echo "error: srun is not installed: run this on a Slurm node, or use the dist_*.sh script instead" >&2
        exit 2
    fi
    # SRUN_ARGS may hold several arguments, so it is not quoted.
    # shellcheck disable=SC2086
    srun -p "$PARTITION" --job-name="$JOB_NAME" --gres=gpu:"$GPUS_PER_NODE" --ntasks="$GPUS" \
        --ntasks-per-node="$GPUS_PER_NODE" --cpus-per-task="$CPUS_PER_TASK" \
        --kill-on-bad-exit=1 $SRUN_ARGS "$@"
}
