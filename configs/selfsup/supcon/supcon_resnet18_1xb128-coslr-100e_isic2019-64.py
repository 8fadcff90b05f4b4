_base_ = [
    "../_base_/models/supcon.py",
    "../_base_/datasets/isic2019-64_simclr.py",
    "../_base_/schedules/sgd_coslr-100e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512),
    head=dict(temperature=0.2),
)

data = dict(train=dict(with_label=True))
optimizer = dict(lr=0.12)
