_base_ = "knn_isic2019.py"

pipeline = [
    dict(type="Resize", size=72),
    dict(type="CenterCrop", size=64),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
data = dict(samples_per_gpu=128, train=dict(pipeline=pipeline), val=dict(pipeline=pipeline))
