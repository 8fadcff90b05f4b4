#!/usr/bin/env bash
# Do the same as dist_test_svm_pretrain.sh, with the extraction and the SVMs under Slurm.
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../../launch.sh"
usage 4 'PARTITION JOB_NAME CONFIG PRETRAIN ["FEAT_LIST" [arguments of extract.py]]'
PARTITION=$1
JOB_NAME=$2
CFG=$3
PRETRAIN=$4
FEAT_LIST=${5:-feat5}
WORK_DIR=$(work_dir "$CFG" "$PRETRAIN")

bash "$ROOT/tools/benchmarks/classification/svm_voc07/slurm_extract.sh" "$PARTITION" "$JOB_NAME" "$CFG" \
    "$WORK_DIR" --checkpoint "$PRETRAIN" "${@:6}"
GPUS=1 GPUS_PER_NODE=1  # the SVMs are one process on the CPU
slurm_run bash "$ROOT/tools/benchmarks/classification/svm_voc07/tools/eval_svm_full.sh" "$WORK_DIR" "$FEAT_LIST"
slurm_run bash "$ROOT/tools/benchmarks/classification/svm_voc07/tools/eval_svm_lowshot.sh" "$WORK_DIR" "$FEAT_LIST"
