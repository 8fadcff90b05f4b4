import mmcv

_base_ = "isic2019_mae.py"

# The crops of MAE, with a mask.
train_pipeline = [
    *mmcv.Config.fromfile("{{ fileDirname }}/" + _base_).train_pipeline,
    dict(type="MaskFeatMaskGenerator", mask_ratio=0.4),
]
data = dict(train=dict(pipeline=train_pipeline))
