#!/usr/bin/env bash
# Linear SVMs on the frozen features of an epoch of the pre-training CONFIG, whose work dir is the
# default one: all images, then few of each class. FEAT_LIST is such as "feat4 feat5".
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../../launch.sh"
usage 2 'CONFIG EPOCH ["FEAT_LIST"]'
CFG=$1
EPOCH=$2
FEAT_LIST=${3:-feat5}
WORK_DIR=$(work_dir "$CFG")

bash "$ROOT/tools/benchmarks/classification/svm_voc07/dist_extract.sh" "$CFG" "$GPUS" "$WORK_DIR" \
    --checkpoint "${WORK_DIR}epoch_$EPOCH.pth"
bash "$ROOT/tools/benchmarks/classification/svm_voc07/tools/eval_svm_full.sh" "$WORK_DIR" "$FEAT_LIST"
bash "$ROOT/tools/benchmarks/classification/svm_voc07/tools/eval_svm_lowshot.sh" "$WORK_DIR" "$FEAT_LIST"
