optimizer = dict(
    type="AdamW",
    lr=5e-4,
    betas=(0.9, 0.999),
    weight_decay=0.05,
)
optimizer_config = dict()  # no clipping
lr_config = dict(
    policy="CosineAnnealing",
    min_lr=0.0,
    warmup="linear",
    warmup_iters=5,  # epochs
    warmup_ratio=1e-4,
    warmup_by_epoch=True,
)
runner = dict(type="EpochBasedRunner", max_epochs=100)
