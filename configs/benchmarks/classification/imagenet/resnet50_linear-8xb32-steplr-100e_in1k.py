_base_ = [
    "../_base_/models/resnet50.py",
    "../_base_/datasets/imagenet.py",
    "../_base_/schedules/sgd_steplr-100e.py",
    "../_base_/default_runtime.py",
]

# a linear probe: the backbone is frozen
model = dict(backbone=dict(frozen_stages=4))

# 8 GPUs of 32: the rate of MoCo's linear evaluation
optimizer = dict(lr=30.0, weight_decay=0.0)

evaluation = dict(interval=1, topk=(1, 5))
checkpoint_config = dict(interval=10, max_keep_ckpts=3)
