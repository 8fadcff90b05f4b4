_base_ = [
    "../_base_/models/vit-base-p16_ft.py",
    "../_base_/datasets/isic2019.py",
    "../_base_/schedules/adamw_coslr-50e_isic2019.py",
    "../_base_/default_runtime.py",
]

# The backbone of mae_vit-small-p16_1xb64-coslr-400e_isic2019.py. One over the root of the
# challenge's class counts, mean 1: NV has 54 times the images of DF.
model = dict(
    backbone=dict(arch="deit-small"),
    head=dict(
        _delete_=True,
        type="ClsHead",
        in_channels=384,
        num_classes=8,
        class_weight=[0.45, 0.27, 0.53, 1.04, 0.6, 1.98, 1.92, 1.22],
    ),
    train_cfg=dict(_delete_=True),
)

optimizer = dict(lr=5e-4)

checkpoint_config = dict(interval=10, max_keep_ckpts=1)
