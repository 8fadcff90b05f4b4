import mmcv

_base_ = "isic2019-64.py"

# As at 64 pixels, in 48 pixels.
crop, *augment = mmcv.Config.fromfile("{{ fileDirname }}/" + _base_).train_pipeline
train_pipeline = [dict(crop, size=48, scale=(0.3, 1.0)), *augment]
del crop, augment
