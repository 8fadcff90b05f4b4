_base_ = "vit-base-p16_ft-8xb128-coslr-100e_in1k.py"

model = dict(head=dict(type="MaskFeatFinetuneHead"))

# RandomAug also flips, makes a tensor and normalises
train_pipeline = [
    dict(
        type="RandomAug",
        input_size=224,
        color_jitter=0.4,
        auto_augment="rand-m9-mstd0.5-inc1",
        interpolation="bicubic",
        re_prob=0.25,
        re_mode="pixel",
        re_count=1,
        mean={{_base_.img_norm_cfg.mean}},
        std={{_base_.img_norm_cfg.std}},
    )
]
data = dict(
    samples_per_gpu=256,  # 8 GPUs: a batch of 2,048
    train=dict(pipeline=train_pipeline),
)

optimizer = dict(lr=1e-3 * 2048 / 256)
lr_config = dict(
    _delete_=True,
    policy="CosineAnnealing",
    min_lr=1e-6,
    warmup="linear",
    warmup_iters=20,  # epochs
    warmup_ratio=1e-8,
    warmup_by_epoch=True,
)
