_base_ = [
    "../_base_/models/resnet50.py",
    "../_base_/datasets/imagenet.py",
    "../_base_/schedules/lars_coslr-90e.py",
    "../_base_/default_runtime.py",
]

# a linear probe: the backbone is frozen
model = dict(backbone=dict(frozen_stages=4))

data = dict(samples_per_gpu=512, workers_per_gpu=8)  # 8 GPUs: a batch of 4096

checkpoint_config = dict(interval=10, max_keep_ckpts=3)
