_base_ = "isic2019-64.py"

train_pipeline = [
    dict(type="RandomResizedCrop", size=48, scale=(0.4, 1.0)),
    dict(type="RandomHorizontalFlip"),
    dict(type="RandomVerticalFlip"),
    dict(
        type="RandomAppliedTrans",
        transforms=[dict(type="RandomRotation", degrees=(90, 90))],
        p=0.5,
    ),
    dict(type="ColorJitter", brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
test_pipeline = [
    dict(type="Resize", size=54),
    dict(type="CenterCrop", size=48),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
data = dict(
    samples_per_gpu=64,
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
    test=dict(pipeline=test_pipeline),
)
