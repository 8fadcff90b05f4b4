_base_ = [
    "../_base_/models/relative-loc.py",
    "../_base_/datasets/imagenet_relative-loc.py",
    "../_base_/schedules/sgd_steplr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

optimizer = dict(
    lr=0.2,
    paramwise_options={
        "\\Aneck.": dict(weight_decay=5e-4),
        "\\Ahead.": dict(weight_decay=5e-4),
    },
)
lr_config = dict(
    step=[30, 50],
    warmup="linear",
    warmup_iters=5,  # epochs
    warmup_ratio=0.1,
    warmup_by_epoch=True,
)
runner = dict(max_epochs=70)

checkpoint_config = dict(interval=10, max_keep_ckpts=3)
