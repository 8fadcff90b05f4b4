_base_ = "isic2019_simclr.py"

# What the teacher sees: no change of colour.
weak_pipeline = [
    dict(type="RandomResizedCrop", size=224, scale=(0.2, 1.0)),
    dict(type="RandomHorizontalFlip"),
    dict(type="RandomVerticalFlip"),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]

data = dict(train=dict(num_views=[1, 1], pipelines=[{{_base_.train_pipeline}}, weak_pipeline]))
