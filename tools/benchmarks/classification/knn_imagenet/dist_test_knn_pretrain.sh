#!/usr/bin/env bash
# k-NN with the frozen features of PRETRAIN, extracted by GPUS processes (default 8).
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../../launch.sh"
usage 2 "CONFIG PRETRAIN [arguments of test_knn.py]"
CFG=$1
PRETRAIN=$2

dist_run tools/benchmarks/classification/knn_imagenet/test_knn.py "$CFG" --checkpoint "$PRETRAIN" \
    --work-dir "$(work_dir "$CFG" "$PRETRAIN")" "${@:3}"
