_base_ = "imagenet.py"

train_pipeline = [
    dict(type="Resize", size=256),
    dict(type="CenterCrop", size=256),
    dict(type="RandomCrop", size=224),
    dict(type="RandomHorizontalFlip"),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]

data = dict(
    train=dict(
        data_source=dict(
            data_prefix="data/Places205/data/vision/torralba/deeplearning/images256/",
            ann_file="data/Places205/trainvalsplit_places205/train_places205.csv",
        ),
        pipeline=train_pipeline,
    ),
    val=dict(
        data_source=dict(
            data_prefix="data/Places205/data/vision/torralba/deeplearning/images256/",
            ann_file="data/Places205/trainvalsplit_places205/val_places205.csv",
        )
    ),
)
