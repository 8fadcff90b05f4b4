#!/usr/bin/env bash
# Linear SVMs on the frozen features of PRETRAIN: all images, then few of each class.
# FEAT_LIST is such as "feat4 feat5" (default "feat5").
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../../launch.sh"
usage 3 'CONFIG GPUS PRETRAIN ["FEAT_LIST" [arguments of extract.py]]'
CFG=$1
GPUS=$2
PRETRAIN=$3
FEAT_LIST=${4:-feat5}
WORK_DIR=$(work_dir "$CFG" "$PRETRAIN")

GPUS=$GPUS bash "$ROOT/tools/benchmarks/classification/svm_voc07/dist_extract.sh" "$CFG" "$GPUS" \
    "$WORK_DIR" --checkpoint "$PRETRAIN" "${@:5}"
bash "$ROOT/tools/benchmarks/classification/svm_voc07/tools/eval_svm_full.sh" "$WORK_DIR" "$FEAT_LIST"
bash "$ROOT/tools/benchmarks/classification/svm_voc07/tools/eval_svm_lowshot.sh" "$WORK_DIR" "$FEAT_LIST"
