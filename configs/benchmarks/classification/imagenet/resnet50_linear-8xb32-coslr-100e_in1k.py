_base_ = [
    "../_base_/models/resnet50.py",
    "../_base_/datasets/imagenet.py",
    "../_base_/schedules/sgd_coslr-100e.py",
    "../_base_/default_runtime.py",
]

# a linear probe: the backbone is frozen
model = dict(backbone=dict(frozen_stages=4))

checkpoint_config = dict(interval=10, max_keep_ckpts=3)
