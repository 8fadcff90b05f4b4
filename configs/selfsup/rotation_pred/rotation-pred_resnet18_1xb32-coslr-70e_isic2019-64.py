_base_ = [
    "../_base_/models/rotation-pred.py",
    "../_base_/datasets/isic2019-64_rotation-pred.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/isic2019-64_runtime.py",
]

# Blocks that start as the identity: without them a run of few epochs learns little.
model = dict(backbone=dict(depth=18, zero_init_residual=True), head=dict(in_channels=512))

# Small steps: larger ones distinguish the rotations better, and the classes of lesions worse.
optimizer = dict(lr=0.003, weight_decay=5e-4)
lr_config = dict(warmup="linear", warmup_iters=1, warmup_ratio=1e-4, warmup_by_epoch=True)
runner = dict(max_epochs=70)
