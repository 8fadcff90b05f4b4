_base_ = [
    "../_base_/models/relative-loc.py",
    "../_base_/datasets/isic2019-64_relative-loc.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    # Blocks that start as the identity: without them a run of few epochs learns little.
    backbone=dict(depth=18, zero_init_residual=True),
    neck=dict(in_channels=512, out_channels=512),
    head=dict(in_channels=512),
)

data = dict(samples_per_gpu=32)
optimizer = dict(lr=0.01, weight_decay=5e-4)
lr_config = dict(warmup="linear", warmup_iters=1, warmup_ratio=1e-4, warmup_by_epoch=True)
runner = dict(max_epochs=70)
