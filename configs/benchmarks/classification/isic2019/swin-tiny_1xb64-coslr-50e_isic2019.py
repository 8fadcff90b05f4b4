_base_ = [
    "../_base_/datasets/isic2019.py",
    "../_base_/schedules/adamw_coslr-50e_isic2019.py",
    "../_base_/default_runtime.py",
]

# The backbone of simmim_swin-tiny_1xb64-coslr-200e_isic2019.py. One over the root of the
# challenge's class counts, mean 1: NV has 54 times the images of DF.
model = dict(
    type="Classification",
    backbone=dict(
        type="mmcls.SwinTransformer",
        arch="tiny",
        img_size=224,
        drop_path_rate=0.1,
    ),
    head=dict(
        type="ClsHead",
        with_avg_pool=True,
        in_channels=768,
        num_classes=8,
        class_weight=[0.45, 0.27, 0.53, 1.04, 0.6, 1.98, 1.92, 1.22],
    ),
)

optimizer = dict(
    lr=5e-4,
    model_type="swin",
    paramwise_options={"relative_position_bias_table": dict(weight_decay=0.0)},
)

checkpoint_config = dict(interval=10, max_keep_ckpts=1)
