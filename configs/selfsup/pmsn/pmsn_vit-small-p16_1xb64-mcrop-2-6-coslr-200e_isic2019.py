# Six heads of 64 channels, as in the classifier vit-small-p16_1xb64-coslr-50e_isic2019.py
_base_ = [
    "../_base_/models/pmsn_vit-small-p16.py",
    "../_base_/datasets/isic2019_swav_mcrop-2-6.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/default_runtime.py",
]

model = dict(head=dict(num_prototypes=512))

optimizer = dict(lr=2.5e-4, betas=(0.9, 0.999), weight_decay=0.04)
custom_hooks = [dict(type="MomentumUpdateHook", end_momentum=1.0)]

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
