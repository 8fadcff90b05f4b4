_base_ = "isic2019_simclr.py"

# The crops of SwAV and DINO; the large ones come with a mask of their patches of 14 pixels.
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
    dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0, p=0.5),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
train_pipeline1 = [
    dict(type="RandomResizedCrop", size=224, scale=(0.2, 1.0)),
    *augment,
    dict(type="IBOTMaskGenerator", input_size=16, mask_ratio=(0.1, 0.5), mask_prob=0.5),
]
train_pipeline2 = [dict(type="RandomResizedCrop", size=98, scale=(0.05, 0.2)), *augment]

data = dict(train=dict(num_views=num_crops, pipelines=[train_pipeline1, train_pipeline2]))
