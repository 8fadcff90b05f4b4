# Six heads of 64 channels, as in the classifier vit-small-p16_1xb64-coslr-50e_isic2019.py
_base_ = [
    "../_base_/models/ijepa_vit-small-p16.py",
    "../_base_/datasets/isic2019_mae.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/default_runtime.py",
]

optimizer = dict(lr=2.5e-4, betas=(0.9, 0.999), weight_decay=0.04)
lr_config = dict(warmup_iters=20)  # epochs
runner = dict(max_epochs=300)
custom_hooks = [
    dict(type="MomentumUpdateHook", end_momentum=1.0),
    dict(type="ScheduleHook", target="optimizer.weight_decay", start=0.04, end=0.4),
]

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
