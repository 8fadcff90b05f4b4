_base_ = [
    "../_base_/models/resnet50.py",
    "../_base_/datasets/isic2019-64.py",
    "../_base_/schedules/sgd_coslr-100e.py",
    "../_base_/default_runtime.py",
]

# One over the root of the challenge's class counts, mean 1: NV has 54 times the images of DF.
model = dict(
    backbone=dict(depth=18),
    head=dict(
        in_channels=512,
        num_classes=8,
        class_weight=[0.45, 0.27, 0.53, 1.04, 0.6, 1.98, 1.92, 1.22],
    ),
)

optimizer = dict(lr=0.03, weight_decay=1e-4, nesterov=True)
runner = dict(max_epochs=30)

# float16 on GPUs, bfloat16 on CPUs that have it; the loss is computed in float32.
fp16 = dict(loss_scale="dynamic")

checkpoint_config = dict(interval=10, max_keep_ckpts=1)
log_config = dict(interval=10)
