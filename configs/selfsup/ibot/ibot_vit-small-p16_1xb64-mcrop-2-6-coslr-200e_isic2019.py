# Six heads of 64 channels, as in the classifier vit-small-p16_1xb64-coslr-50e_isic2019.py
_base_ = [
    "../_base_/models/ibot_vit-small-p16.py",
    "../_base_/datasets/isic2019_ibot_mcrop-2-6.py",
    "../_base_/schedules/dino_adamw_coslr-200e.py",
    "../_base_/default_runtime.py",
]

optimizer = dict(lr=1.25e-4)  # 5e-4 for every 256 images

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
