_base_ = [
    "../_base_/models/mae_vit-base-p16.py",
    "../_base_/datasets/isic2019-64_mae.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

# 64 patches, of which the encoder sees 16
model = dict(
    backbone=dict(arch="deit-tiny", img_size=64, patch_size=8),
    neck=dict(
        num_patches=64,
        patch_size=8,
        embed_dim=192,
        decoder_embed_dim=96,
        decoder_depth=2,
        decoder_num_heads=3,
    ),
    head=dict(patch_size=8),
)
