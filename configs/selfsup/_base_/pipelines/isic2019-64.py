import mmcv

_base_ = "isic2019.py"

crop, *augment = mmcv.Config.fromfile("{{ fileDirname }}/" + _base_).train_pipeline
train_pipeline = [dict(crop, size=64), *augment]
del crop, augment
