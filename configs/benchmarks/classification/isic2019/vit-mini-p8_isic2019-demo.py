_base_ = [
    "../_base_/models/vit-base-p16_ft.py",
    "../_base_/datasets/isic2019-demo.py",
    "../_base_/schedules/adamw_coslr-50e_isic2019.py",
    "../_base_/default_runtime.py",
]

# The backbone of mae_vit-mini-p8_isic2019-demo.py. Class weights as at 64 pixels.
model = dict(
    backbone=dict(
        arch=dict(
            _delete_=True,
            embed_dims=96,
            num_layers=4,
            num_heads=4,
            feedforward_channels=384,
        ),
        img_size=48,
        patch_size=8,
    ),
    head=dict(
        _delete_=True,
        type="ClsHead",
        in_channels=96,
        num_classes=8,
        class_weight=[0.45, 0.27, 0.53, 1.04, 0.6, 1.98, 1.92, 1.22],
    ),
    train_cfg=dict(_delete_=True),
)

lr_config = dict(warmup_iters=1)
runner = dict(max_epochs=6)

# float16 on GPUs, bfloat16 on CPUs that have it; the loss is computed in float32.
fp16 = dict(loss_scale="dynamic")

checkpoint_config = dict(interval=10, max_keep_ckpts=1)
log_config = dict(interval=10)
