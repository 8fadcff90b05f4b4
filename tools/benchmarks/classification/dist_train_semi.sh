#!/usr/bin/env bash
# Fine-tune PRETRAIN on 1 % or 10 % of the labels, on GPUS processes (default 4).
# CONFIG is one of configs/benchmarks/classification/imagenet/imagenet_*percent/*.py; its learning rate is that of
# 4 processes: with another GPUS change data.samples_per_gpu, so that the batch stays the same.
# PRETRAIN is a checkpoint of a pre-training, or its backbone alone.
ARGC=$# DEFAULT_GPUS=4
. "$(dirname "${BASH_SOURCE[0]}")/../launch.sh"
usage 2 "CONFIG PRETRAIN [arguments of tools/train.py]"
CFG=$1
PRETRAIN=$2

dist_run tools/train.py "$CFG" --work_dir "$(work_dir "$CFG" "$PRETRAIN")" \
    --cfg-options load_from="$PRETRAIN" "${@:3}"
