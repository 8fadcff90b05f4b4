#!/usr/bin/env bash
# Linear SVMs on all training images of VOC 2007; the cost of each class by cross-validation.
# WORK_DIR/features is what extract.py has written; the labels are those of prepare_voc07_cls.sh.
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../../../launch.sh"
usage 1 'WORK_DIR ["FEAT_LIST"]'
WORK_DIR=${1%/}
FEAT_LIST=${2:-feat5}
DATA=${DATA:-data/VOCdevkit/VOC2007/SVMLabels}
COSTS=${COSTS:-"0.01,0.1,1.0,10.0,100.0"}
TOOLS=$ROOT/tools/benchmarks/classification/svm_voc07/tools

for FEAT in $FEAT_LIST; do
    "$PYTHON" "$TOOLS/train_svm_kfold_parallel.py" --costs_list "$COSTS" \
        --data_file "$WORK_DIR/features/voc07_trainval_$FEAT.npy" \
        --targets_data_file "$DATA/train_targets.npy" --output_path "$WORK_DIR/svm/$FEAT"
    "$PYTHON" "$TOOLS/test_svm.py" --costs_list "$COSTS" \
        --data_file "$WORK_DIR/features/voc07_test_$FEAT.npy" \
        --targets_data_file "$DATA/test_targets.npy" --output_path "$WORK_DIR/svm/$FEAT"
done
