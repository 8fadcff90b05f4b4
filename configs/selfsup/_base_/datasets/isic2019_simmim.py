import mmcv

_base_ = "isic2019_mae.py"

# The crops of MAE, with a mask.
train_pipeline = [
    *mmcv.Config.fromfile("{{ fileDirname }}/" + _base_).train_pipeline,
    dict(
        type="SimMIMMaskGenerator",
        input_size=224,
        mask_patch_size=32,
        model_patch_size=4,
        mask_ratio=0.6,
    ),
]
data = dict(train=dict(pipeline=train_pipeline))
