_base_ = [
    "../_base_/models/spark_resnet50.py",
    "../_base_/datasets/isic2019-64_mae.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

# 16 patches of 16 pixels: without the stride of the last stage, which has the same weights then.
model = dict(
    backbone=dict(depth=18, strides=(1, 2, 2, 1), out_indices=[1, 2, 4]),
    neck=dict(in_channels=[64, 128, 512], patch_size=16, width=256),
    head=dict(patch_size=16),
)
# A classifier has the ordinary ResNet-18; from other differences than this one it is warned.
classifier_backbone = dict(strides=(1, 2, 2, 2))

optimizer = dict(lr=4e-4, betas=(0.9, 0.95), weight_decay=0.04, norm_bias_decay=0.0)
