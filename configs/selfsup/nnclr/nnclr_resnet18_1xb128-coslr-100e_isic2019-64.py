_base_ = [
    "../_base_/models/nnclr.py",
    "../_base_/datasets/isic2019-64_simclr.py",
    "../_base_/schedules/sgd_coslr-100e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    feat_dim=128,
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512, out_channels=128),
    head=dict(temperature=0.2, predictor=dict(in_channels=128, hid_channels=512, out_channels=128)),
)

optimizer = dict(lr=0.12)
