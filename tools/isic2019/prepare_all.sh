#!/usr/bin/env bash
# From the download of ISIC-2019 to images, lists and statistics that training can use:
#
#   ISIC_ROOT=data/isic2019 OUT=data/isic2019_256 tools/isic2019/prepare_all.sh
#
# Checks the download, cuts dark borders, shrinks the images, corrects their colours, makes the
# splits, measures mean and deviation, and draws a contact sheet. The challenge's test images are
# prepared in the same way if the folder ISIC_2019_Test_Input exists. The same call resumes an
# interrupted run: existing images are skipped. Options come from the environment:
#
#   ISIC_ROOT   folder of the unpacked files      (data/isic2019)
#   OUT         folder to write                   (${ISIC_ROOT}_prepared)
#   SHORT_SIDE  pixels of the shorter side        (256)
#   CHECK       options of check_download.py, e.g. "--partial --any-csv"
#   IMAGES      options of apply_color_constancy.py beyond --crop-border --short-side,
#               e.g. "--keep-colors"
#   SPLITS      options of prepare_splits.py, e.g. "--group-duplicates --seed 1"
#   SIZE        pixels at which mean and deviation are measured (224)
#   WORKERS     processes                         (all cores)
#   PYTHON      interpreter                       (python)
set -eo pipefail  # no -u: in bash before 4.4 an empty array counts as unset

case "${1:-}" in
"") ;;
-h | --help)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}"
    exit 0
    ;;
*)
    echo "error: prepare_all.sh takes no arguments, got '$*': options come from the environment," \
        "such as CHECK=--partial; --help lists them" >&2
    exit 2
    ;;
esac

ISIC_ROOT=${ISIC_ROOT:-data/isic2019}
OUT=${OUT:-${ISIC_ROOT%/}_prepared}
PYTHON=${PYTHON:-python}
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
read -ra check <<<"${CHECK:-}"
read -ra images <<<"${IMAGES:-}"
read -ra splits <<<"${SPLITS:-}"
workers=(${WORKERS:+--workers "$WORKERS"})

# Announces a step. When it fails, the variable is named that takes the options of its message.
step() {
    printf '\n== %s\n' "$1"
    takes=$2
}
trap '[ -z "$takes" ] || echo "prepare_all.sh: options of this step are given as" \
    "$takes=\"--option ...\"" >&2' ERR

step "1/6 check the download in $ISIC_ROOT" CHECK
"$PYTHON" "$tools/isic2019/check_download.py" --root "$ISIC_ROOT" "${check[@]}"
source=$("$PYTHON" "$tools/isic2019/check_download.py" --root "$ISIC_ROOT" "${check[@]}" \
    --print-images)
csvs=$("$PYTHON" "$tools/isic2019/check_download.py" --root "$ISIC_ROOT" "${check[@]}" --print-csv)

step "2/6 images: borders, size, colour constancy" IMAGES
"$PYTHON" "$tools/apply_color_constancy.py" --src "$source" --dst "$OUT/ISIC_2019_Training_Input" \
    --crop-border --short-side "${SHORT_SIDE:-256}" "${images[@]}" "${workers[@]}"
tests=$(find -L "$ISIC_ROOT" -maxdepth 2 -type d -name ISIC_2019_Test_Input \
    -not -path "${OUT%/}/*" -print -quit)
if [ -n "$tests" ]; then  # test images need the same preparation as training images
    "$PYTHON" "$tools/apply_color_constancy.py" --src "$tests" --dst "$OUT/ISIC_2019_Test_Input" \
        --crop-border --short-side "${SHORT_SIDE:-256}" "${images[@]}" "${workers[@]}"
fi

step "3/6 CSV files" ""
while IFS= read -r csv; do  # exactly those that step 1 checked, wherever copies lie
    [ "$csv" -ef "$OUT/$(basename "$csv")" ] || cp -f "$csv" "$OUT/"
done <<<"$csvs"
ls "$OUT"/*.csv

step "4/6 splits" SPLITS
"$PYTHON" "$tools/isic2019/prepare_splits.py" --root "$OUT" "${splits[@]}" "${workers[@]}"

step "5/6 mean and deviation of the training images of fold 0 (for img_norm_cfg)" ""
"$PYTHON" "$tools/analysis_tools/compute_mean_std.py" \
    --data-prefix "$OUT/ISIC_2019_Training_Input" \
    --ann-file "$OUT/splits/ISIC_2019_train_fold0.txt" --size "${SIZE:-224}" "${workers[@]}" \
    >"$OUT/statistics.txt.part"
mv "$OUT/statistics.txt.part" "$OUT/statistics.txt"
cat "$OUT/statistics.txt"

step "6/6 contact sheet" ""
"$PYTHON" "$tools/isic2019/contact_sheet.py" --before "$source" \
    --after "$OUT/ISIC_2019_Training_Input" --out "$OUT/contact_sheet.png"
