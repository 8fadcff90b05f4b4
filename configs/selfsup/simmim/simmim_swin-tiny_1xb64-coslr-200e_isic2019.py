_base_ = [
    "../_base_/models/simmim_swin-base.py",
    "../_base_/datasets/isic2019_simmim.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/default_runtime.py",
]

model = dict(
    backbone=dict(arch="T", img_size=224, stage_cfgs=dict(block_cfgs=dict(window_size=7))),
    neck=dict(in_channels=768),
)

optimizer = dict(
    lr=3e-4,
    paramwise_options={
        "norm": dict(weight_decay=0.0),
        "relative_position_bias_table": dict(weight_decay=0.0),
    },
)
optimizer_config = dict(grad_clip=dict(max_norm=5.0))

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
