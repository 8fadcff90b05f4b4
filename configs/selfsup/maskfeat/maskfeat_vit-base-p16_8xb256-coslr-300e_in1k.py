_base_ = [
    "../_base_/models/maskfeat_vit-base-p16.py",
    "../_base_/datasets/imagenet_maskfeat.py",
    "../_base_/default_runtime.py",
]

data = dict(samples_per_gpu=256, workers_per_gpu=32)

# no weight decay for biases and normalisation layers
optimizer = dict(
    type="AdamW",
    lr=2e-4 * 8,  # 8 GPUs: steps of 2048 images
    betas=(0.9, 0.999),
    weight_decay=0.05,
    paramwise_options={"ln": dict(weight_decay=0.0), "bias": dict(weight_decay=0.0)},
)
optimizer_config = dict(grad_clip=dict(max_norm=0.02))
lr_config = dict(
    policy="CosineAnnealing",
    by_epoch=False,
    min_lr=1e-6,
    warmup="linear",
    warmup_iters=30,
    warmup_ratio=1e-6,
    warmup_by_epoch=True,
)
runner = dict(type="EpochBasedRunner", max_epochs=300)

checkpoint_config = dict(interval=1, max_keep_ckpts=3, out_dir="")
log_config = dict(interval=100)
