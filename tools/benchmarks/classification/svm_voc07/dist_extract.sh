#!/usr/bin/env bash
# Extract the features of VOC 2007 with GPUS processes into WORK_DIR/features.
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../../launch.sh"
usage 3 "CONFIG GPUS WORK_DIR [arguments of extract.py]"
CFG=$1
GPUS=$2
WORK_DIR=$3

dist_run tools/benchmarks/classification/svm_voc07/extract.py "$CFG" --work_dir "$WORK_DIR" "${@:4}"
