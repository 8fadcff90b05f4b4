_base_ = [
    "../_base_/models/cae_vit-base-p16.py",
    "../_base_/datasets/isic2019-64_cae.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    backbone=dict(arch="deit-tiny", img_size=64, patch_size=8),
    neck=dict(patch_size=8, embed_dims=192, num_heads=3, regressor_depth=2, decoder_depth=2),
)

optimizer_config = dict(grad_clip=dict(max_norm=3.0))
