_base_ = [
    "../_base_/models/mocov1.py",
    "../_base_/datasets/isic2019-64_simclr.py",
    "../_base_/schedules/sgd_coslr-100e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    queue_len=None,  # from the data: 4096 for 20,000 images
    momentum=0.99,  # few iterations: the key encoder must change faster
    # Blocks that start as the identity: without them a run of few epochs learns little.
    backbone=dict(depth=18, zero_init_residual=True),
    neck=dict(in_channels=512),
    head=dict(temperature=0.2),
)

data = dict(samples_per_gpu=64)
