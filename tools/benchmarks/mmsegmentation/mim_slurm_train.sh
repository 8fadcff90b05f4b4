#!/usr/bin/env bash
# Fine-tune a segmentation network of mmseg (0.x series of mmcv) from PRETRAIN, under Slurm; see mim_dist_train.sh.
ARGC=$# DEFAULT_GPUS=4
. "$(dirname "${BASH_SOURCE[0]}")/../launch.sh"
usage 3 "PARTITION CONFIG PRETRAIN [arguments of mmseg's train.py]"
PARTITION=$1
CFG=$2
PRETRAIN=$3

mim train mmseg "$CFG" --launcher slurm --partition "$PARTITION" --gpus "$GPUS" \
    --gpus-per-node "$GPUS_PER_NODE" --cpus-per-task "$CPUS_PER_TASK" \
    --srun-args "$SRUN_ARGS" --work-dir "$(work_dir "$CFG" "$PRETRAIN")" --cfg-options \
    model.backbone.init_cfg.type=Pretrained \
    model.backbone.init_cfg.checkpoint="$PRETRAIN" \
    "${@:4}"
