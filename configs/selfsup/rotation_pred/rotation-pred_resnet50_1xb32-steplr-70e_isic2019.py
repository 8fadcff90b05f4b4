_base_ = [
    "../_base_/models/rotation-pred.py",
    "../_base_/datasets/isic2019_rotation-pred.py",
    "../_base_/schedules/sgd_steplr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

optimizer = dict(lr=0.05)  # 0.2 for every 128 images
lr_config = dict(
    step=[30, 50],
    warmup="linear",
    warmup_iters=5,  # epochs
    warmup_ratio=0.1,
    warmup_by_epoch=True,
)
runner = dict(max_epochs=70)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
