import mmcv

_base_ = "isic2019_simclr.py"

# Two large and six small crops, with the augmentation of SimCLR.
crop, *augment = mmcv.Config.fromfile("{{ fileDirname }}/" + _base_).train_pipeline
num_crops = [2, 6]
train_pipeline1 = [crop, *augment]
train_pipeline2 = [dict(crop, size=96, scale=(0.05, 0.2)), *augment]
data = dict(train=dict(num_views=num_crops, pipelines=[train_pipeline1, train_pipeline2]))
del crop, augment
