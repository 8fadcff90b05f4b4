#!/usr/bin/env bash
# Make the lists and targets of VOC 2007 for the linear SVMs: DATA/VOCdevkit/VOC2007/Lists and
# DATA/VOCdevkit/VOC2007/SVMLabels. Unpack the trainval and the test archive of VOC 2007 in DATA.
set -euo pipefail
if [ "$#" -lt 1 ]; then
    echo "usage: $0 DATA" >&2
    exit 2
fi
DATA=$1
VOC=$DATA/VOCdevkit/VOC2007
PYTHON=${PYTHON:-python3}
TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

for PART in trainval test; do
    if [ ! -f "$VOC/ImageSets/Main/$PART.txt" ]; then
        echo "error: $VOC/ImageSets/Main/$PART.txt is missing: unpack both archives of VOC 2007 in $DATA" >&2
        exit 2
    fi
done

mkdir -p "$VOC/Lists"
for PART in trainval test; do
    awk 'NF { print $1 ".jpg" }' "$VOC/ImageSets/Main/$PART.txt" >"$VOC/Lists/$PART.txt"
done
cat "$VOC/Lists/trainval.txt" "$VOC/Lists/test.txt" >"$VOC/Lists/trainvaltest.txt"

"$PYTHON" "$TOOLS/create_voc_data_files.py" --data_source_dir "$VOC" --output_dir "$VOC/SVMLabels"
"$PYTHON" "$TOOLS/create_voc_low_shot_challenge_samples.py" \
    --targets_data_file "$VOC/SVMLabels/train_targets.npy" \
    --output_path "$VOC/SVMLabels/low_shot/labels"
