optimizer = dict(type="AdamW", lr=6e-4, weight_decay=0.1)
optimizer_config = dict()  # grad_clip, update_interval

lr_config = dict(
    policy="CosineAnnealing",
    by_epoch=False,
    min_lr=0.0,
    warmup="linear",
    warmup_iters=40,
    warmup_ratio=1e-4,
    warmup_by_epoch=True,
)
runner = dict(type="EpochBasedRunner", max_epochs=300)
