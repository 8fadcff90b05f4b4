_base_ = [
    "../_base_/models/maskfeat_vit-base-p16.py",
    "../_base_/datasets/isic2019_maskfeat.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/default_runtime.py",
]

model = dict(backbone=dict(arch="deit-small"), head=dict(embed_dim=384))

optimizer = dict(lr=3e-4)
runner = dict(max_epochs=300)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
