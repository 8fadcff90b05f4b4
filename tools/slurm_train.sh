#!/usr/bin/env bash
# Train under Slurm: GPUS processes in all, GPUS_PER_NODE on each machine.
# SIGNAL_S seconds before the end of the job, Slurm asks the training to stop: it writes a checkpoint
# and ends with the exit code 75. In a batch job the job is then requeued, and continues by itself:
# BATCH=1 submits one (its options: SBATCH_ARGS), and it is so where a batch script calls this one.
set -euo pipefail
if [ "$#" -lt 4 ]; then
    echo "usage: tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [arguments of train.py]" >&2
    exit 2
fi
if ! command -v srun >/dev/null; then
    echo "error: srun is not installed: run this on a Slurm node, or use tools/dist_train.sh instead" >&2
    exit 2
fi
PARTITION=$1
JOB_NAME=$2
CONFIG=$3
WORK_DIR=$4
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-8}
CPUS_PER_TASK=${CPUS_PER_TASK:-5}
SIGNAL_S=${SIGNAL_S:-120}
SRUN_ARGS=${SRUN_ARGS:-""}
SBATCH_ARGS=${SBATCH_ARGS:-""}
PYTHON=${PYTHON:-python3}
ROOT=$(cd "$(dirname "$0")/.." && pwd)
STOPPED=75

resources=(-p "$PARTITION" --job-name="$JOB_NAME" --gres=gpu:"$GPUS_PER_NODE" --ntasks="$GPUS"
    --ntasks-per-node="$GPUS_PER_NODE" --cpus-per-task="$CPUS_PER_TASK"
    --signal=USR1@"$SIGNAL_S")
if [ "${BATCH:-0}" != 0 ] && [ -z "${SLURM_JOB_ID:-}" ]; then
    # SBATCH_ARGS may hold several arguments, so it is not quoted.
    # shellcheck disable=SC2086
    exec sbatch "${resources[@]}" --requeue --open-mode=append $SBATCH_ARGS \
        --wrap="$(printf '%q ' bash "$ROOT/tools/slurm_train.sh" "$@")"
fi

# SRUN_ARGS may hold several arguments, so it is not quoted.
# shellcheck disable=SC2206
train=(srun "${resources[@]}" --kill-on-bad-exit=1 $SRUN_ARGS "$PYTHON" -u "$ROOT/tools/train.py"
    "$CONFIG" --work_dir "$WORK_DIR" --launcher slurm "${@:5}")
export PYTHONPATH="$ROOT${PYTHONPATH:+:$PYTHONPATH}"
if [ -z "${SLURM_JOB_ID:-}" ]; then
    exec "${train[@]}"
fi

mkdir -p "$WORK_DIR"
mark="$WORK_DIR/.slurm-$SLURM_JOB_ID"
if [ "${SLURM_RESTART_COUNT:-0}" = 0 ]; then
    touch "$mark"
elif [ -e "$mark" ] && [ "$WORK_DIR/latest.pth" -nt "$mark" ]; then
    export MMSELFSUP_CONTINUE=1 # with its own checkpoints, not with those of an earlier run
fi
code=0
"${train[@]}" || code=$?
if [ "$code" != "$STOPPED" ]; then
    rm -f "$mark"
elif scontrol requeue "$SLURM_JOB_ID"; then
    echo "the job is requeued and continues with its checkpoint"
else
    echo "error: the job can't be requeued: submit it again with --auto-resume" >&2
fi
exit "$code"
