_base_ = [
    "../_base_/models/visreg.py",
    "../_base_/datasets/isic2019_swav_mcrop-2-6.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

optimizer = dict(_delete_=True, type="AdamW", lr=5e-4, weight_decay=5e-2)
lr_config = dict(warmup="linear", warmup_iters=10, warmup_ratio=1e-2, warmup_by_epoch=True)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
