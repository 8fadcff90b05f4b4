_base_ = [
    "../_base_/models/barlowtwins.py",
    "../_base_/datasets/isic2019-64_simclr.py",
    "../_base_/schedules/sgd_coslr-100e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512, out_channels=512),
    head=dict(in_channels=512),
)

# The loss is a sum over the entries of the matrix: its gradient is large, the learning rate small.
optimizer = dict(lr=0.01)
