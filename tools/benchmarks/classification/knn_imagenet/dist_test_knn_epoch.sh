#!/usr/bin/env bash
# k-NN with the frozen features of an epoch of the pre-training CONFIG, whose work dir is the
# default one; GPUS processes (default 8) extract them.
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../../launch.sh"
usage 2 "CONFIG EPOCH [arguments of test_knn.py]"
CFG=$1
EPOCH=$2
WORK_DIR=$(work_dir "$CFG")

dist_run tools/benchmarks/classification/knn_imagenet/test_knn.py "$CFG" --checkpoint "${WORK_DIR}epoch_$EPOCH.pth" \
    --work-dir "$WORK_DIR" "${@:3}"
