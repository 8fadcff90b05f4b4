_base_ = [
    "../_base_/models/ressl.py",
    "../_base_/datasets/isic2019_ressl.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

optimizer = dict(lr=0.0125)  # 0.05 for 256 images
custom_hooks = [dict(type="MomentumUpdateHook", end_momentum=0.99)]  # constant

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
