# The network of the authors' dinov2_vits14, as in the classifier
# vit-small-p14_1xb64-coslr-50e_isic2019.py. It is meant for given weights:
# dinov2_vit-small-p14_1xb64-mcrop-2-6-coslr-30e_isic2019_adapt.py
_base_ = [
    "../_base_/models/dinov2_vit-small-p14.py",
    "../_base_/datasets/isic2019_dinov2_mcrop-2-6.py",
    "../_base_/schedules/dino_adamw_coslr-200e.py",
    "../_base_/default_runtime.py",
]

optimizer = dict(lr=1.25e-4)  # 5e-4 for every 256 images

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
