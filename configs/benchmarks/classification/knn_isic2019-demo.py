_base_ = "knn_isic2019.py"

# The synthetic images of tools/isic2019/make_demo_data.py, at the size of the demo's configs.
pipeline = [
    dict(type="Resize", size=54),
    dict(type="CenterCrop", size=48),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
data = dict(samples_per_gpu=128, train=dict(pipeline=pipeline), val=dict(pipeline=pipeline))
