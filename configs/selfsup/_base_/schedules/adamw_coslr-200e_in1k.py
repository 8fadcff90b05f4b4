optimizer = dict(type="AdamW", lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05)
optimizer_config = dict()  # grad_clip, update_interval

lr_config = dict(
    policy="StepFixCosineAnnealing",
    by_epoch=False,
    min_lr=0.0,
    warmup="linear",
    warmup_iters=40,  # epochs
    warmup_ratio=1e-4,
    warmup_by_epoch=True,
)
runner = dict(type="EpochBasedRunner", max_epochs=200)
