_base_ = "isic2019_simclr.py"

# Two large and six small crops, with the augmentation of SimCLR.
num_crops = [2, 6]
augment = [
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
            dict(type="ColorJitter", brightness=0.6, contrast=0.6, saturation=0.6, hue=0.05)
        ],
        p=0.8,
    ),
    dict(type="RandomGrayscale", p=0.1),
]
to_tensor = [
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
blur = [dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0, p=0.5)]
train_pipeline1 = {{_base_.train_pipeline}}
train_pipeline2 = [
    dict(type="RandomResizedCrop", size=96, scale=(0.05, 0.2)),
    *augment,
    *blur,
    *to_tensor,
]

data = dict(train=dict(num_views=num_crops, pipelines=[train_pipeline1, train_pipeline2]))
