_base_ = "isic2019_simclr.py"

# The crops of isic2019_simclr; each view knows where in the image it is.
train_pipeline = [
    dict(
        type="LocatedView",
        size=224,
        scale=(0.2, 1.0),
        horizontal_flip=0.5,
        vertical_flip=0.5,
        quarter_turn=0.5,
        transforms=[
            dict(
                type="RandomAppliedTrans",
                transforms=[
                    dict(type="ColorJitter", brightness=0.6, contrast=0.6, saturation=0.6, hue=0.05)
                ],
                p=0.8,
            ),
            dict(type="RandomGrayscale", p=0.1),
            dict(type="ToTensor"),
            dict(
                type="Normalize",
                mean={{_base_.img_norm_cfg.mean}},
                std={{_base_.img_norm_cfg.std}},
            ),
        ],
    )
]

data = dict(train=dict(pipelines=[train_pipeline]))
