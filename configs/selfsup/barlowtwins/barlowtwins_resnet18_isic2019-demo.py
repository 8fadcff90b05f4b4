_base_ = [
    "../_base_/models/barlowtwins.py",
    "../_base_/datasets/isic2019-demo.py",
    "../_base_/schedules/sgd_coslr-100e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

# Small enough for minutes on two CPU cores: half of the width, 48 pixels, few epochs.
model = dict(
    backbone=dict(depth=18, stem_channels=32, base_channels=32),
    neck=dict(in_channels=256, hid_channels=256, out_channels=256),
    head=dict(in_channels=256),
)

optimizer = dict(_delete_=True, type="AdamW", lr=1e-3, weight_decay=1e-4)
runner = dict(max_epochs=14)
