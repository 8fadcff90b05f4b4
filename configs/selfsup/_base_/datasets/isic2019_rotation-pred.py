_base_ = ["../../../_base_/isic2019.py", "isic2019.py"]

# No flips and no rotations: they would make the answer ambiguous.
train_pipeline = [
    dict(type="RandomResizedCrop", size=224, scale=(0.2, 1.0)),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]

data = dict(
    samples_per_gpu=32,  # each image 4 times
    train=dict(type="RotationPredDataset", pipeline=train_pipeline),
)
