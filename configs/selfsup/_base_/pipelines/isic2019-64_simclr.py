import mmcv

_base_ = "isic2019_simclr.py"

# Without blur: so small images have little detail.
crop, *augment = mmcv.Config.fromfile("{{ fileDirname }}/" + _base_).train_pipeline
train_pipeline = [
    dict(crop, size=64),
    *(step for step in augment if step["type"] != "GaussianBlur"),
]
del crop, augment
