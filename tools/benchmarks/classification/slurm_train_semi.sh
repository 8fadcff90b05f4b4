#!/usr/bin/env bash
# Fine-tune PRETRAIN on 1 % or 10 % of the labels, under Slurm; see dist_train_semi.sh.
ARGC=$# DEFAULT_GPUS=4
. "$(dirname "${BASH_SOURCE[0]}")/../launch.sh"
usage 4 "PARTITION JOB_NAME CONFIG PRETRAIN [arguments of tools/train.py]"
PARTITION=$1
JOB_NAME=$2
CFG=$3
PRETRAIN=$4

slurm_run "$PYTHON" -u "$ROOT/tools/train.py" "$CFG" \
    --work_dir "$(work_dir "$CFG" "$PRETRAIN")" --launcher slurm \
    --cfg-options load_from="$PRETRAIN" "${@:5}"
