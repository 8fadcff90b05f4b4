#!/usr/bin/env bash
# Train a linear classifier on the frozen features of PRETRAIN, on GPUS processes (default 8).
# CONFIG is one of configs/benchmarks/classification/imagenet/*.py; its learning rate is that of
# 8 processes: with another GPUS change data.samples_per_gpu, so that the batch stays the same.
# PRETRAIN is a checkpoint of a pre-training, or its backbone alone.
ARGC=$# DEFAULT_GPUS=8
. "$(dirname "${BASH_SOURCE[0]}")/../launch.sh"
usage 2 "CONFIG PRETRAIN [arguments of tools/train.py]"
CFG=$1
PRETRAIN=$2

dist_run tools/train.py "$CFG" --work_dir "$(work_dir "$CFG" "$PRETRAIN")" \
    --cfg-options load_from="$PRETRAIN" "${@:3}"
