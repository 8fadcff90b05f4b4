_base_ = [
    "../_base_/models/barlowtwins.py",
    "../_base_/datasets/imagenet_byol.py",
    "../_base_/schedules/lars_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

data = dict(samples_per_gpu=256)  # 8 GPUs: a batch of 2048

# The paper's learning rates for that batch: 1.6 for weights, 0.0384 (0.024 of it) for biases and
# normalisation.
excluded = dict(weight_decay=0, lr_mult=0.024, lars_exclude=True)
optimizer = dict(
    type="LARS",
    lr=1.6,
    weight_decay=1e-6,
    momentum=0.9,
    paramwise_options={
        "(bn|gn)(\\d+)?.(weight|bias)": excluded,
        "bias": excluded,
        "downsample.1": excluded,  # the normalisation in the shortcuts of a ResNet
    },
)
lr_config = dict(
    policy="CosineAnnealing",
    by_epoch=False,
    min_lr=0.0016,
    warmup="linear",
    warmup_iters=10,  # epochs
    warmup_ratio=1.6e-4,
    warmup_by_epoch=True,
)

# runtime settings
runner = dict(type="EpochBasedRunner", max_epochs=300)
checkpoint_config = dict(interval=10, max_keep_ckpts=3)
