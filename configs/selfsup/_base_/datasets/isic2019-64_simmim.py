import mmcv

_base_ = "isic2019-64_mae.py"

# The crops of MAE, with a mask.
train_pipeline = [
    *mmcv.Config.fromfile("{{ fileDirname }}/" + _base_).train_pipeline,
    dict(
        type="SimMIMMaskGenerator",
        input_size=64,
        mask_patch_size=8,
        model_patch_size=4,
        mask_ratio=0.6,
    ),
]
data = dict(train=dict(pipeline=train_pipeline))
