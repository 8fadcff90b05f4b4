_base_ = [
    "../_base_/models/simmim_swin-base.py",
    "../_base_/datasets/imagenet_simmim.py",
    "../_base_/default_runtime.py",
]

data = dict(samples_per_gpu=256, workers_per_gpu=8)

# no weight decay for biases, normalisation layers and position embeddings
optimizer = dict(
    type="AdamW",
    lr=2e-4 * 2048 / 512,  # 8 GPUs: steps of 2048 images
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.05,
    paramwise_options={
        "norm": dict(weight_decay=0.0),
        "bias": dict(weight_decay=0.0),
        "absolute_pos_embed": dict(weight_decay=0.0),
        "relative_position_bias_table": dict(weight_decay=0.0),
    },
)
optimizer_config = dict(grad_clip=dict(max_norm=5.0))
lr_config = dict(
    policy="CosineAnnealing",
    by_epoch=False,
    min_lr=1e-5 * 2048 / 512,
    warmup="linear",
    warmup_iters=10,
    warmup_ratio=1e-6 / 2e-4,
    warmup_by_epoch=True,
)
runner = dict(type="EpochBasedRunner", max_epochs=100)

fp16 = dict(loss_scale="dynamic")
checkpoint_config = dict(interval=1, max_keep_ckpts=3, out_dir="")
persistent_workers = True
log_config = dict(interval=100)
