_base_ = [
    "../_base_/models/mocov3_vit-small-p16.py",
    "../_base_/datasets/imagenet_mocov3.py",
    "../_base_/schedules/adamw_coslr-300e_in1k.py",
    "../_base_/default_runtime.py",
]

data = dict(samples_per_gpu=128)

optimizer = dict(lr=2.4e-3)  # 32 GPUs: steps of 4096 images
custom_hooks = [dict(type="MomentumUpdateHook")]

fp16 = dict(loss_scale="dynamic")
checkpoint_config = dict(interval=10, max_keep_ckpts=3)
