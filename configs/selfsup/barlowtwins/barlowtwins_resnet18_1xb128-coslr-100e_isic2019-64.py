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

# The loss is a sum over the entries of the matrix, and its first gradients are big: SGD at 0.01
# made the features worse (docs/en/results/more_methods.md). AdamW's steps don't grow with them.
optimizer = dict(_delete_=True, type="AdamW", lr=1e-3, weight_decay=1e-4)
