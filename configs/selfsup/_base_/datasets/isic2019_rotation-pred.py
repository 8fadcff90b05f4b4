_base_ = "../../../_base_/isic2019.py"

# No flips and no rotations: they would make the answer ambiguous.
train_pipeline = [
    dict(type="RandomResizedCrop", size=224, scale=(0.2, 1.0)),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]

data = dict(
    samples_per_gpu=32,  # each image 4 times
    workers_per_gpu=4,
    train=dict(
        type="RotationPredDataset",
        data_source=dict(
            type="ImageList",
            data_prefix="data/isic2019/ISIC_2019_Training_Input",
            ann_file="data/isic2019/splits/ISIC_2019_train_fold0.txt",
        ),
        pipeline=train_pipeline,
    ),
)
