"""ISIC-2019 as the study sees it: its files, lists, configs, commands and names."""

from dataclasses import asdict

from mmselfsup.utils.study_data import DemoData, StudyData, TableFile

from .challenge import GROUND_TRUTH, METADATA, find_csv, find_images
from .demo.dataset import DemoSettings

ISIC_2019 = StudyData(
    name="ISIC-2019",
    folder="isic2019",
    root_variable="ISIC_ROOT",
    program="train_SSL_with_finetuning_ISIC2019.sh",
    guide="docs/en/prepare_data.md",
    labels=TableFile(GROUND_TRUTH, "--ground-truth"),
    groups=TableFile(METADATA, "--metadata"),
    find_images=find_images,
    find_table=find_csv,
    lists="ISIC_2019",
    split_command=("tools/isic2019/prepare_splits.py",),
    compare_command=("tools/isic2019/look_at_features.py",),
    explain_command=("tools/isic2019/explain.py",),
    subset_command=("tools/isic2019/make_label_subsets.py",),
    configs="isic2019",
    full_size="224",
    num_folds=5,
    demo=DemoData(
        command=("tools/isic2019/make_demo_data.py",),
        facts=asdict(DemoSettings()),
        outputs=(GROUND_TRUTH, METADATA),
    ),
    duplicates_option="--group-duplicates",
    licence="CC BY-NC 4.0",
)
