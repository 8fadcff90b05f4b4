_base_ = [
    "../_base_/models/all4one.py",
    "../_base_/datasets/isic2019_simclr.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

optimizer = dict(lr=0.05)
custom_hooks = [dict(type="MomentumUpdateHook", end_momentum=1.0)]

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
