_base_ = [
    "../_base_/models/visreg.py",
    "../_base_/datasets/isic2019-64_swav_mcrop-2-6.py",
    "../_base_/schedules/sgd_coslr-100e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512),
    head=dict(num_directions=1024),
)

optimizer = dict(_delete_=True, type="AdamW", lr=1e-3, weight_decay=5e-2)
