optimizer = dict(type="LARS", lr=1.6, momentum=0.9, weight_decay=0.0)
optimizer_config = dict()  # grad_clip, update_interval

lr_config = dict(policy="CosineAnnealing", min_lr=0.0)
runner = dict(type="EpochBasedRunner", max_epochs=90)
