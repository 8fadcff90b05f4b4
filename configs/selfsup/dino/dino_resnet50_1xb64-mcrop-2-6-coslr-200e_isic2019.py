_base_ = [
    "../_base_/models/dino.py",
    "../_base_/datasets/isic2019_swav_mcrop-2-6.py",
    "../_base_/schedules/dino_adamw_coslr-200e.py",
    "../_base_/default_runtime.py",
]

optimizer = dict(lr=2.5e-4)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
