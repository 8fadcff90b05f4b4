# AdamW with a weight decay that grows, each gradient clipped by its own norm (Caron et al. 2021).
optimizer = dict(type="AdamW", lr=1e-4, weight_decay=0.04, norm_bias_decay=0.0)
optimizer_config = dict(
    grad_clip=dict(per_parameter=True, max_norm=3.0),
    frozen_layers_cfg=dict(last_layer=313),  # iterations, about an epoch
)

lr_config = dict(
    policy="CosineAnnealing",
    by_epoch=False,
    min_lr=1e-6,
    warmup="linear",
    warmup_iters=10,  # epochs
    warmup_ratio=1e-3,
    warmup_by_epoch=True,
)
runner = dict(type="EpochBasedRunner", max_epochs=200)

custom_hooks = [
    dict(type="MomentumUpdateHook", end_momentum=1.0),
    dict(type="ScheduleHook", target="optimizer.weight_decay", start=0.04, end=0.4),
    # The teacher's targets are sharp at first; epochs.
    dict(
        type="ScheduleHook",
        target="model.head.teacher_temperature",
        warmup_start=0.04,
        warmup=30,
        start=0.07,
        end=0.07,
    ),
]
