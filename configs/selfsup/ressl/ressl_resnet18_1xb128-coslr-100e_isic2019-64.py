_base_ = [
    "../_base_/models/ressl.py",
    "../_base_/datasets/isic2019-64_ressl.py",
    "../_base_/schedules/sgd_coslr-100e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=1024, out_channels=128),
    head=dict(feat_dim=128),
)

custom_hooks = [dict(type="MomentumUpdateHook", end_momentum=0.99)]  # constant
