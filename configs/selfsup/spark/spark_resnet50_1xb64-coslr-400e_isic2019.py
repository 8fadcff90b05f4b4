_base_ = [
    "../_base_/models/spark_resnet50.py",
    "../_base_/datasets/isic2019_mae.py",
    "../_base_/schedules/adamw_coslr-200e_isic2019-64.py",
    "../_base_/default_runtime.py",
]

optimizer = dict(lr=2e-4, betas=(0.9, 0.95), weight_decay=0.04, norm_bias_decay=0.0)
lr_config = dict(warmup_iters=20)  # epochs
runner = dict(max_epochs=400)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
