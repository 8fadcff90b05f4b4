_base_ = [
    "../_base_/models/vit-small-p16.py",
    "../_base_/datasets/imagenet.py",
    "../_base_/schedules/sgd_coslr-100e.py",
    "../_base_/default_runtime.py",
]

model = dict(backbone=dict(frozen_stages=12, norm_eval=True))

data = dict(samples_per_gpu=128)  # 8 GPUs: a batch of 1,024

optimizer = dict(lr=12, weight_decay=0.0)
runner = dict(max_epochs=90)

checkpoint_config = dict(interval=10, max_keep_ckpts=3)
