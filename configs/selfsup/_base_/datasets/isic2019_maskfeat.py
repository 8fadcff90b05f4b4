_base_ = ["../../../_base_/isic2019.py", "isic2019.py"]

# Lesions have no orientation.
train_pipeline = [
    dict(type="RandomResizedCrop", size=224, scale=(0.2, 1.0), interpolation=3),  # bicubic
    dict(type="RandomHorizontalFlip"),
    dict(type="RandomVerticalFlip"),
    dict(
        type="RandomAppliedTrans",
        transforms=[dict(type="RandomRotation", degrees=(90, 90))],
        p=0.5,
    ),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
    dict(type="MaskFeatMaskGenerator", mask_ratio=0.4),
]

data = dict(train=dict(type="SingleViewDataset", pipeline=train_pipeline))
