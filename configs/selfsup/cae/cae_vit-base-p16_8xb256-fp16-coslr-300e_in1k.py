_base_ = [
    "../_base_/models/cae_vit-base-p16.py",
    "../_base_/datasets/imagenet_cae.py",
    "../_base_/default_runtime.py",
]

data = dict(samples_per_gpu=256, workers_per_gpu=8)

# no weight decay for biases, normalisations and the factors of branches
optimizer = dict(
    type="AdamW",
    lr=1.5e-3,  # 8 GPUs: steps of 2048 images
    betas=(0.9, 0.999),
    weight_decay=0.05,
    paramwise_options={
        "norm": dict(weight_decay=0.0),
        "bias": dict(weight_decay=0.0),
        "gamma": dict(weight_decay=0.0),
    },
)
optimizer_config = dict(grad_clip=dict(max_norm=3.0))
lr_config = dict(
    policy="StepFixCosineAnnealing",
    by_epoch=False,
    min_lr=1e-5,
    warmup="linear",
    warmup_iters=10,
    warmup_ratio=1e-4,
    warmup_by_epoch=True,
)
runner = dict(type="EpochBasedRunner", max_epochs=300)

fp16 = dict(loss_scale="dynamic")
find_unused_parameters = True
checkpoint_config = dict(interval=1, max_keep_ckpts=2, out_dir="")
log_config = dict(interval=100)
