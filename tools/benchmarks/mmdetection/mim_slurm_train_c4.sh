#!/usr/bin/env bash
# Fine-tune a detector of mmdet (0.x series of mmcv) from PRETRAIN, under Slurm; see mim_dist_train_c4.sh.
ARGC=$# DEFAULT_GPUS=8
. "$(dirname "${BASH_SOURCE[0]}")/../launch.sh"
usage 3 "PARTITION CONFIG PRETRAIN [arguments of mmdet's train.py]"
PARTITION=$1
CFG=$2
PRETRAIN=$3

mim train mmdet "$CFG" --launcher slurm --partition "$PARTITION" --gpus "$GPUS" \
    --gpus-per-node "$GPUS_PER_NODE" --cpus-per-task "$CPUS_PER_TASK" \
    --srun-args "$SRUN_ARGS" --work-dir "$(work_dir "$CFG" "$PRETRAIN")" --cfg-options \
    model.backbone.init_cfg.type=Pretrained \
    model.backbone.init_cfg.checkpoint="$PRETRAIN" \
    model.roi_head.shared_head.init_cfg.type=Pretrained \
    model.roi_head.shared_head.init_cfg.checkpoint="$PRETRAIN" \
    "${@:4}"
