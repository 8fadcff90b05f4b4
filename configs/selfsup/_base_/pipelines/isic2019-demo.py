_base_ = "../../../_base_/isic2019.py"

# As at 64 pixels, in 48 pixels and with less jitter of the light.
train_pipeline = [
    dict(type="RandomResizedCrop", size=48, scale=(0.3, 1.0)),
    dict(type="RandomHorizontalFlip"),
    dict(type="RandomVerticalFlip"),
    dict(
        type="RandomAppliedTrans",
        transforms=[dict(type="RandomRotation", degrees=(90, 90))],
        p=0.5,
    ),
    dict(
        type="RandomAppliedTrans",
        transforms=[
            dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.05)
        ],
        p=0.8,
    ),
    dict(type="RandomGrayscale", p=0.1),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
