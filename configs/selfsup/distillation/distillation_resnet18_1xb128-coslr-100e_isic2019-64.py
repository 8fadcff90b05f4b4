_base_ = [
    "../_base_/models/distillation.py",
    "../_base_/datasets/isic2019-64_simclr.py",
    "../_base_/schedules/adamw_coslr-200e_in1k.py",
    "../_base_/isic2019-64_runtime.py",
]

model = dict(
    backbone=dict(depth=18),
    teacher=dict(backbone=dict(depth=50)),
    head=dict(in_channels=512, out_channels=2048),
)

data = dict(train=dict(num_views=[1]))  # teacher and student see the same view

lr_config = dict(warmup_iters=5)  # epochs
runner = dict(max_epochs=100)
