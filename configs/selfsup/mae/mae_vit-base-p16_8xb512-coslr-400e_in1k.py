_base_ = [
    "../_base_/models/mae_vit-base-p16.py",
    "../_base_/datasets/imagenet_mae.py",
    "../_base_/schedules/adamw_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

optimizer = dict(
    lr=1.5e-4 * 4096 / 256,
    paramwise_options={
        "ln": dict(weight_decay=0.0),
        "bias": dict(weight_decay=0.0),
        "pos_embed": dict(weight_decay=0.0),
        "mask_token": dict(weight_decay=0.0),
        "cls_token": dict(weight_decay=0.0),
    },
)
runner = dict(max_epochs=400)

checkpoint_config = dict(interval=1, max_keep_ckpts=3, out_dir="")
log_config = dict(interval=100)
