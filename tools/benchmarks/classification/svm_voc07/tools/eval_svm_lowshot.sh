#!/usr/bin/env bash
# Linear SVMs on k = 1 to 96 training images of each class of VOC 2007, five samples of each k.
# WORK_DIR/features is what extract.py has written; the labels are those of prepare_voc07_cls.sh.
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../../../launch.sh"
usage 1 'WORK_DIR ["FEAT_LIST"]'
WORK_DIR=${1%/}
FEAT_LIST=${2:-feat5}
DATA=${DATA:-data/VOCdevkit/VOC2007/SVMLabels}
COSTS=${COSTS:-"0.0000001,0.000001,0.00001,0.0001,0.001,0.01,0.1,1.0,10.0,100.0"}
K_VALUES=${K_VALUES:-"1,2,4,8,16,32,64,96"}
SAMPLES=${SAMPLES:-"0,1,2,3,4"}
TOOLS=$ROOT/tools/benchmarks/classification/svm_voc07/tools

for FEAT in $FEAT_LIST; do
    OUT=$WORK_DIR/svm_low_shot/$FEAT
    for SAMPLE in ${SAMPLES//,/ }; do
        for K in ${K_VALUES//,/ }; do
            "$PYTHON" "$TOOLS/train_svm_low_shot_parallel.py" --costs_list "$COSTS" \
                --data_file "$WORK_DIR/features/voc07_trainval_$FEAT.npy" \
                --targets_data_file \
                "$DATA/low_shot/labels/train_targets_sample$((SAMPLE + 1))_k$K.npy" \
                --output_path "$OUT"
        done
    done
    "$PYTHON" "$TOOLS/test_svm_low_shot.py" --costs_list "$COSTS" --k_values "$K_VALUES" \
        --sample_inds "$SAMPLES" --data_file "$WORK_DIR/features/voc07_test_$FEAT.npy" \
        --targets_data_file "$DATA/test_targets.npy" --output_path "$OUT"
    "$PYTHON" "$TOOLS/aggregate_low_shot_svm_stats.py" --k_values "$K_VALUES" \
        --sample_inds "$SAMPLES" --output_path "$OUT"
done
