_base_ = [
    "../_base_/models/ijepa_vit-small-p16.py",
    "../_base_/datasets/isic2019-64_mae.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

# Three heads of 64 channels, as in the classifier vit-tiny-p8_1xb128-coslr-30e_isic2019-64.py
model = dict(
    base_momentum=0.99,  # few iterations: the target must change faster
    backbone=dict(arch="deit-tiny", img_size=64, patch_size=8),
    neck=dict(num_patches=64, embed_dim=192, predictor_embed_dim=96, depth=3, num_heads=3),
    masks=dict(min_context=6),  # of 64 patches
)

optimizer = dict(lr=5e-4, betas=(0.9, 0.999), weight_decay=0.04)
custom_hooks = [
    dict(type="MomentumUpdateHook", end_momentum=1.0),
    dict(type="ScheduleHook", target="optimizer.weight_decay", start=0.04, end=0.4),
]
