_base_ = [
    "../_base_/models/mocov2.py",
    "../_base_/datasets/isic2019-64_simclr.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    queue_len=None,  # from the data: 4096 for 20,000 images
    momentum=0.99,  # few iterations: the key encoder must change faster
    # Blocks that start as the identity: without them a run of few epochs learns little.
    backbone=dict(depth=18, zero_init_residual=True),
    neck=dict(in_channels=512, hid_channels=512),
    head=dict(temperature=0.2),
)

data = dict(samples_per_gpu=64)
optimizer = dict(lr=0.06, weight_decay=5e-4)
lr_config = dict(warmup="linear", warmup_iters=1, warmup_ratio=1e-4, warmup_by_epoch=True)
runner = dict(max_epochs=100)

# float16 on GPUs, bfloat16 on CPUs; the loss is computed in float32.
fp16 = dict(loss_scale="dynamic")

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
log_config = dict(interval=10)
