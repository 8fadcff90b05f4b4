_base_ = "isic2019_rotation-pred.py"

train_pipeline = [
    # Most of the lesion stays visible: light, rulers and hair show the rotation.
    dict(type="RandomResizedCrop", size=64, scale=(0.5, 1.0)),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]

data = dict(workers_per_gpu=2, train=dict(pipeline=train_pipeline))
