_base_ = [
    "../_base_/models/supcon.py",
    "../_base_/datasets/isic2019_simclr.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

data = dict(train=dict(with_label=True))
optimizer = dict(lr=0.05)
lr_config = dict(warmup="linear", warmup_iters=10, warmup_ratio=1e-2, warmup_by_epoch=True)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
