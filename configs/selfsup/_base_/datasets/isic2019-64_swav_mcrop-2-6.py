import mmcv

_base_ = "isic2019-64_simclr.py"

# Two large and six small crops, with the augmentation of SimCLR. A small crop shows less of the
# image at the same magnification.
crop, *augment = mmcv.Config.fromfile("{{ fileDirname }}/" + _base_).train_pipeline
num_crops = [2, 6]
train_pipeline1 = [dict(crop, scale=(0.3, 1.0)), *augment]
train_pipeline2 = [dict(crop, size=32, scale=(0.08, 0.3)), *augment]
data = dict(
    samples_per_gpu=64,
    train=dict(num_views=num_crops, pipelines=[train_pipeline1, train_pipeline2]),
)
del crop, augment
