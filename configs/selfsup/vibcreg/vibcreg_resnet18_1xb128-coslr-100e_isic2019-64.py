_base_ = [
    "../_base_/models/vibcreg.py",
    "../_base_/datasets/isic2019-64_simclr.py",
    "../_base_/schedules/sgd_coslr-100e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=1024, out_channels=1024),
)

# The loss is a sum of large terms: AdamW's steps do not grow with its gradients.
optimizer = dict(_delete_=True, type="AdamW", lr=1e-3, weight_decay=1e-4)
