_base_ = ["../../../_base_/isic2019.py", "isic2019.py"]

# Lesions have no orientation.
train_pipeline = [
    dict(type="RandomResizedCrop", size=64, scale=(0.2, 1.0), interpolation=3),  # bicubic
    dict(type="RandomHorizontalFlip"),
    dict(type="RandomVerticalFlip"),
    dict(
        type="RandomAppliedTrans",
        transforms=[dict(type="RandomRotation", degrees=(90, 90))],
        p=0.5,
    ),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
    dict(type="MaskFeatMaskGenerator", mask_window_size=8, mask_ratio=0.4, min_num_patches=4),
]

data = dict(
    samples_per_gpu=128,
    workers_per_gpu=2,
    train=dict(type="SingleViewDataset", pipeline=train_pipeline),
)
