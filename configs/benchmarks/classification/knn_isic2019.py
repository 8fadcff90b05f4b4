# Frozen features of ISIC-2019: k-NN and linear probe learn from the training fold and are measured
# on the test fold. No lesion is in both.
_base_ = "_base_/datasets/isic2019_folds.py"

pipeline = [
    dict(type="Resize", size=256),
    dict(type="CenterCrop", size=224),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]

data = dict(workers_per_gpu=2, train=dict(pipeline=pipeline), val=dict(pipeline=pipeline))
