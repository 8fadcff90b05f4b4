_base_ = [
    "../_base_/models/vit-base-p16_ft.py",
    "../_base_/datasets/isic2019-64.py",
    "../_base_/schedules/adamw_coslr-50e_isic2019.py",
    "../_base_/default_runtime.py",
]

# The backbone of mae_vit-tiny-p8_1xb128-coslr-200e_isic2019-64.py. One over the root of the
# challenge's class counts, mean 1: NV has 54 times the images of DF.
model = dict(
    backbone=dict(arch="deit-tiny", img_size=64, patch_size=8),
    head=dict(
        _delete_=True,
        type="ClsHead",
        in_channels=192,
        num_classes=8,
        class_weight=[0.45, 0.27, 0.53, 1.04, 0.6, 1.98, 1.92, 1.22],
    ),
    train_cfg=dict(_delete_=True),
)

runner = dict(max_epochs=30)

# float16 on GPUs, bfloat16 on CPUs that have it; the loss is computed in float32.
fp16 = dict(loss_scale="dynamic")

checkpoint_config = dict(interval=10, max_keep_ckpts=1)
log_config = dict(interval=10)
