_base_ = [
    "../_base_/models/distillation.py",
    "../_base_/datasets/isic2019_simclr.py",
    "../_base_/schedules/adamw_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

data = dict(train=dict(num_views=[1]))  # teacher and student see the same view

lr_config = dict(warmup_iters=10)  # epochs

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
