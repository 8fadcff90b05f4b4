_base_ = [
    "../_base_/models/resnet50.py",
    "../_base_/datasets/custom-64.py",
    "../_base_/schedules/sgd_coslr-100e.py",
    "../_base_/default_runtime.py",
]

# "auto": from the training images. Weights: one over the root of a class's images, mean 1.
model = dict(
    backbone=dict(depth=18),
    head=dict(in_channels=512, num_classes="auto", class_weight="auto"),
)

optimizer = dict(lr=0.01, weight_decay=1e-4, nesterov=True)
runner = dict(max_epochs=30)

# On a GPU: --cfg-options fp16.loss_scale=dynamic. CPUs without bfloat16 are slower with it.

checkpoint_config = dict(interval=10, max_keep_ckpts=1)
log_config = dict(interval=10)
