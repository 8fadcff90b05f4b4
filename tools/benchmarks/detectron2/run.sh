#!/usr/bin/env bash
# Fine-tune a detector of detectron2 from WEIGHTS (the output of convert-pretrain-to-detectron2.py)
# on 8 GPUs, or GPUS; results are written to OUT.
ARGC=$#
. "$(dirname "${BASH_SOURCE[0]}")/../launch.sh"
usage 3 "DET_CFG WEIGHTS OUT"
DET_CFG=$1
WEIGHTS=$2
OUT=$3

"$PYTHON" "$ROOT/tools/benchmarks/detectron2/train_net.py" --config-file "$DET_CFG" \
    --num-gpus "$GPUS" MODEL.WEIGHTS "$WEIGHTS" OUTPUT_DIR "$OUT"
