_base_ = [
    "../_base_/models/all4one.py",
    "../_base_/datasets/isic2019-64_simclr.py",
    "../_base_/schedules/sgd_coslr-100e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    base_momentum=0.97,  # few iterations: the target must change faster
    feat_dim=128,
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512, out_channels=128),
    head=dict(
        feat_dim=128,
        num_heads=4,
        predictor=dict(in_channels=128, hid_channels=512, out_channels=128),
    ),
)

custom_hooks = [dict(type="MomentumUpdateHook", end_momentum=1.0)]
