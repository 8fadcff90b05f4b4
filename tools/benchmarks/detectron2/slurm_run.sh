#!/usr/bin/env bash
# Do the same as run.sh on one machine under Slurm.
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../launch.sh"
usage 5 "PARTITION JOB_NAME DET_CFG WEIGHTS OUT"
PARTITION=$1
JOB_NAME=$2
DET_CFG=$3
WEIGHTS=$4
OUT=$5

GPUS=1 # detectron2 starts a process for each GPU itself
slurm_run --ntasks-per-node=1 "$PYTHON" -u \
    "$ROOT/tools/benchmarks/detectron2/train_net.py" --config-file "$DET_CFG" \
    --num-gpus "$GPUS_PER_NODE" MODEL.WEIGHTS "$WEIGHTS" OUTPUT_DIR "$OUT"
