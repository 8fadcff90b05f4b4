_base_ = [
    "../_base_/models/deepclusterv2.py",
    "../_base_/datasets/isic2019-64_swav_mcrop-2-6.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512),
    head=dict(num_clusters=[60, 60, 60]),
)

optimizer = dict(lr=0.03, weight_decay=1e-4)
lr_config = dict(warmup="linear", warmup_iters=30, warmup_ratio=0.1)  # iterations
runner = dict(max_epochs=100)
