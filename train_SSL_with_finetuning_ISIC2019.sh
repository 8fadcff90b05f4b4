#!/usr/bin/env bash
# Pre-train on ISIC-2019 without labels, fine-tune, and compare with training from scratch.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

help() {
    cat <<'TEXT'
Pre-trains a network on skin-lesion images without labels, fine-tunes it, and compares it with the
same network trained from scratch. --help prints this text.

    ISIC_ROOT=/data/isic2019 ./train_SSL_with_finetuning_ISIC2019.sh [key=value ...]
    ./train_SSL_with_finetuning_ISIC2019.sh --demo     with synthetic images, in minutes

Steps: split lists -> pre-training on the training lesions of the fold -> comparison of the features
before and after it (t-SNE, nearest neighbours) -> for every start (random and pre-trained weights)
try each learning rate on held-out training lesions -> train all on the whole training fold with
equal epochs -> test after the last epoch -> explain (occlusion test, Grad-CAM) -> report.html.
Each command is printed. A step whose result is up to date is skipped, an interrupted one resumes,
and one whose settings, files or code have changed restarts (its old result is moved aside).

Environment             (default)
  ISIC_ROOT             folder of the unpacked ISIC-2019 files, see docs/en/prepare_data.md
  SPLITS                options of tools/isic2019/prepare_splits.py, "--group-duplicates", or a
                        folder of existing lists (five folds in WORK_DIR/data/splits, seed 0)
  WORK_DIR              folder of all results (work_dirs/isic2019/[demo_]NAME[-SIZE]_foldN_seedN,
                        NAME: ALGORITHM; a+b of a curriculum, compare_a_b with --compare, greedy_a_b
                        with --curriculum; no _foldN_seedN where FOLDS or SEEDS are set)
  ALGORITHM             pre-training (simclr); several, "relative_loc odc swav", are a curriculum:
                        each starts from the backbone before it, the classifier from the last one
  SIZE                  configs: 64, ResNet-18 at 64 px; (224), ResNet-50 at 224 px; demo, at 48 px
  SSL_CONFIG            configs of the pre-trainings, as many as ALGORITHM names (by its SIZE)
  FINETUNE_CONFIG       config of the classifier (by its SIZE and the backbone of the pre-training,
                        the second word of its config: mae_vit-tiny-p8_... takes vit-tiny-p8_...)
  FINETUNE_LRS          learning rates to try (0.3, 1 and 3 times the config's); one: no search
  FOLD, SEED            test fold 0 to 4 (0), seed of every training (0)
  FOLDS, SEEDS          sweep over several, "0 1 2 3 4": a folder of WORK_DIR for each, one report
  GPUS                  processes of a training, one GPU each (unset: one process, GPU or CPU)
  JOBS                  fine-tunings at the same time (one on a GPU, up to four on CPU cores)
  PYTHON                interpreter (.venv/bin/python if it exists, else python3)

Arguments
  --compare                        several pre-trainings: each on its own, and one table
  --curriculum greedy              the best pre-training by a probe, then the best next one, ...
  --min-gain G                     ... more than G in balanced accuracy (0.01)
  --start START ...                arms of any starts: scratch, ssl (ALGORITHM), dino (or another
                                   config of SIZE), ssl+supcon (in turn), NAME=FILE, NAME=FILE+dino,
                                   NAME=FILE+ssl:lora (or another adaptation), distilled=TEACHER
  --labels P% ... [--draws N]      each arm also on a part of the labels, drawn N times (3)
  --external NAME=PATH ...         each arm also on test sets of other clinics (tutorial 15)
  --ssl-on all                     pre-train on test images too, without labels; all tables say so
  key=value ...                    passed to the --cfg-options of all trainings that have the key
  --ssl-options key=value ...      passed to the pre-trainings only, e.g. runner.max_epochs=100
  --finetune-options key=value ... passed to the fine-tunings only
  --keep all                       keep the checkpoints of the learning-rate search (best: removed)
  --verify                         read all files again, restart what was made from other contents
TEXT
}

for argument in "$@"; do
    if [[ $argument == -h || $argument == --help ]]; then
        help
        exit 0
    fi
done

python=${PYTHON:-}
if [[ -z $python ]]; then
    if [[ -x $root/.venv/bin/python ]]; then python=$root/.venv/bin/python; else python=python3; fi
fi
if ! command -v "$python" >/dev/null; then
    echo "error: no interpreter $python; run 'make install' or set PYTHON" >&2
    exit 2
fi

exec "$python" "$root/tools/isic2019/run_study.py" "$@"
