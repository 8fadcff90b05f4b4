_base_ = [
    "../_base_/models/maskfeat_vit-base-p16.py",
    "../_base_/datasets/isic2019-64_maskfeat.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

# As at 224 pixels a patch has 2 x 2 cells.
model = dict(
    backbone=dict(arch="deit-tiny", img_size=64, patch_size=8),
    head=dict(embed_dim=192),
    hog_para=dict(pool=4, gaussian_window=8),
)
