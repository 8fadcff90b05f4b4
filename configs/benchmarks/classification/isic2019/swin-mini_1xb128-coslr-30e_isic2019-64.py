_base_ = [
    "../_base_/datasets/isic2019-64.py",
    "../_base_/schedules/adamw_coslr-50e_isic2019.py",
    "../_base_/default_runtime.py",
]

# The backbone of simmim_swin-mini_1xb128-coslr-200e_isic2019-64.py. One over the root of the
# challenge's class counts, mean 1: NV has 54 times the images of DF.
model = dict(
    type="Classification",
    backbone=dict(
        type="mmcls.SwinTransformer",
        arch=dict(embed_dims=48, depths=[2, 2, 6], num_heads=[2, 4, 8]),
        img_size=64,
        out_indices=(2,),
        stage_cfgs=dict(block_cfgs=dict(window_size=4)),
        drop_path_rate=0.1,
    ),
    head=dict(
        type="ClsHead",
        with_avg_pool=True,
        in_channels=192,
        num_classes=8,
        class_weight=[0.45, 0.27, 0.53, 1.04, 0.6, 1.98, 1.92, 1.22],
    ),
)

optimizer = dict(
    model_type="swin",
    paramwise_options={"relative_position_bias_table": dict(weight_decay=0.0)},
)
runner = dict(max_epochs=30)

# float16 on GPUs, bfloat16 on CPUs that have it; the loss is computed in float32.
fp16 = dict(loss_scale="dynamic")

checkpoint_config = dict(interval=10, max_keep_ckpts=1)
log_config = dict(interval=10)
