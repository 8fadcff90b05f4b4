import mmcv

_base_ = "mae_vit-tiny-p8_1xb128-coslr-200e_isic2019-64.py"

# Small enough for minutes on two CPU cores: four narrow blocks, 48 pixels, few epochs.
model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=96,
            num_layers=4,
            num_heads=4,
            feedforward_channels=384,
        ),
        img_size=48,
    ),
    neck=dict(
        num_patches=36, embed_dim=96, decoder_embed_dim=64, decoder_depth=1, decoder_num_heads=4
    ),
)

crop, *augment = mmcv.Config.fromfile("{{ fileDirname }}/" + _base_).train_pipeline
train_pipeline = [dict(crop, size=48, scale=(0.3, 1.0)), *augment]
del crop, augment
data = dict(samples_per_gpu=64, train=dict(pipeline=train_pipeline))

lr_config = dict(warmup_iters=2)
runner = dict(max_epochs=40)
