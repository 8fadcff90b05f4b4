_base_ = [
    "../_base_/models/mae_vit-base-p16.py",
    "../_base_/datasets/isic2019_mae.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/default_runtime.py",
]

# A small transformer, as the images are few; the decoder is half as wide.
model = dict(
    backbone=dict(arch="deit-small"),
    neck=dict(embed_dim=384, decoder_embed_dim=192, decoder_depth=4, decoder_num_heads=6),
)

optimizer = dict(lr=3e-4)
lr_config = dict(warmup_iters=20)  # epochs
runner = dict(max_epochs=400)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
