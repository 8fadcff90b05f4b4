#!/usr/bin/env bash
# k-NN with the frozen features of an epoch of the pre-training CONFIG, under Slurm.
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../../launch.sh"
usage 4 "PARTITION JOB_NAME CONFIG EPOCH [arguments of test_knn.py]"
PARTITION=$1
JOB_NAME=$2
CFG=$3
EPOCH=$4
WORK_DIR=$(work_dir "$CFG")

slurm_run "$PYTHON" -u "$ROOT/tools/benchmarks/classification/knn_imagenet/test_knn.py" "$CFG" \
    --checkpoint "${WORK_DIR}epoch_$EPOCH.pth" --work-dir "$WORK_DIR" --launcher slurm "${@:5}"
