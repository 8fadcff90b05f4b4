#!/usr/bin/env bash
# k-NN with the frozen features of PRETRAIN, under Slurm.
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../../launch.sh"
usage 4 "PARTITION JOB_NAME CONFIG PRETRAIN [arguments of test_knn.py]"
PARTITION=$1
JOB_NAME=$2
CFG=$3
PRETRAIN=$4

slurm_run "$PYTHON" -u "$ROOT/tools/benchmarks/classification/knn_imagenet/test_knn.py" "$CFG" \
    --checkpoint "$PRETRAIN" --work-dir "$(work_dir "$CFG" "$PRETRAIN")" \
    --launcher slurm "${@:5}"
