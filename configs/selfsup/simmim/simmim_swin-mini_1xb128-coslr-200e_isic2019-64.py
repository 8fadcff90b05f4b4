_base_ = [
    "../_base_/models/simmim_swin-base.py",
    "../_base_/datasets/isic2019-64_simmim.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/isic2019-64_runtime.py",
]

# Three stages: the last map of a fourth would have 2 x 2 places.
model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dims=48, depths=[2, 2, 6], num_heads=[2, 4, 8]),
        img_size=64,
        out_indices=(2,),
        stage_cfgs=dict(block_cfgs=dict(window_size=4)),
    ),
    neck=dict(in_channels=192, encoder_stride=16),
)

optimizer = dict(
    paramwise_options={
        "norm": dict(weight_decay=0.0),
        "relative_position_bias_table": dict(weight_decay=0.0),
    },
)
optimizer_config = dict(grad_clip=dict(max_norm=5.0))
