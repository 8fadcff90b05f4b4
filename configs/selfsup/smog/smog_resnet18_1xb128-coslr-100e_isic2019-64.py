_base_ = [
    "../_base_/models/smog.py",
    "../_base_/datasets/isic2019-64_simclr.py",
    "../_base_/schedules/sgd_coslr-100e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    base_momentum=0.97,  # few iterations: the momentum encoder must change faster
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512),
    head=dict(predictor=dict(hid_channels=512)),
)

custom_hooks = [
    dict(type="MomentumUpdateHook", end_momentum=1.0),
    dict(type="SMoGHook", interval=300),
]
