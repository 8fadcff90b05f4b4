#!/usr/bin/env bash
# Fine-tune a detector of mmdet (0.x series of mmcv) from PRETRAIN, with GPUS processes.
# PRETRAIN is a backbone without prefix: backbone.pth of a work dir, or the output of
# tools/model_converters/extract_backbone_weights.py. Needs openmim and mmdet.
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../launch.sh"
usage 3 "CONFIG PRETRAIN GPUS [arguments of mmdet's train.py]"
CFG=$1
PRETRAIN=$2
GPUS=$3

mim train mmdet "$CFG" --launcher pytorch --gpus "$GPUS" \
    --work-dir "$(work_dir "$CFG" "$PRETRAIN")" --cfg-options \
    model.backbone.init_cfg.type=Pretrained \
    model.backbone.init_cfg.checkpoint="$PRETRAIN" \
    "${@:4}"
