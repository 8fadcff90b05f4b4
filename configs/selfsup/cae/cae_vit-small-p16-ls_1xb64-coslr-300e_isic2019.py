_base_ = [
    "../_base_/models/cae_vit-base-p16.py",
    "../_base_/datasets/isic2019_cae.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/default_runtime.py",
]

model = dict(
    backbone=dict(arch="deit-small"),
    neck=dict(embed_dims=384, num_heads=6),
)

optimizer = dict(lr=3e-4)
optimizer_config = dict(grad_clip=dict(max_norm=3.0))
runner = dict(max_epochs=300)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
