_base_ = [
    "../_base_/models/byol.py",
    "../_base_/datasets/imagenet_byol.py",
    "../_base_/schedules/lars_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

data = dict(samples_per_gpu=32, workers_per_gpu=4)

# no weight decay and no layer-wise rate for biases and normalisation layers
update_interval = 16  # 8 GPUs: steps of 4096 images
optimizer = dict(
    lr=4.8,
    paramwise_options={
        "(bn|gn)(\\d+)?.(weight|bias)": dict(weight_decay=0.0, lars_exclude=True),
        "bias": dict(weight_decay=0.0, lars_exclude=True),
    },
)
optimizer_config = dict(update_interval=update_interval)
custom_hooks = [dict(type="BYOLHook", end_momentum=1.0, update_interval=update_interval)]

checkpoint_config = dict(interval=10, max_keep_ckpts=3)
