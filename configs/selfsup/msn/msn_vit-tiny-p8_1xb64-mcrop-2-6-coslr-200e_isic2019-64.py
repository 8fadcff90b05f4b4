_base_ = [
    "../_base_/models/msn_vit-small-p16.py",
    "../_base_/datasets/isic2019-64_swav_mcrop-2-6.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

# Three heads of 64 channels, as in the classifier vit-tiny-p8_1xb128-coslr-30e_isic2019-64.py
model = dict(
    base_momentum=0.99,  # few iterations: the teacher must change faster
    backbone=dict(arch="deit-tiny", img_size=64, patch_size=8),
    neck=dict(in_channels=192, hid_channels=512, out_channels=128),
    head=dict(feat_dim=128, num_prototypes=256),
)

optimizer = dict(lr=5e-4, betas=(0.9, 0.999), weight_decay=0.04)
custom_hooks = [dict(type="MomentumUpdateHook", end_momentum=1.0)]
