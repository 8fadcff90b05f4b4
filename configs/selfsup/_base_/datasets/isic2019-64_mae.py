import mmcv

_base_ = "isic2019_mae.py"

crop, *augment = mmcv.Config.fromfile("{{ fileDirname }}/" + _base_).train_pipeline
train_pipeline = [dict(crop, size=64), *augment]
data = dict(samples_per_gpu=128, workers_per_gpu=2, train=dict(pipeline=train_pipeline))
del crop, augment
