#!/usr/bin/env bash
# Extract the features of VOC 2007 under Slurm into WORK_DIR/features.
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../../launch.sh"
usage 4 "PARTITION JOB_NAME CONFIG WORK_DIR [arguments of extract.py]"
PARTITION=$1
JOB_NAME=$2
CFG=$3
WORK_DIR=$4

slurm_run "$PYTHON" -u "$ROOT/tools/benchmarks/classification/svm_voc07/extract.py" "$CFG" \
    --work_dir "$WORK_DIR" --launcher slurm "${@:5}"
