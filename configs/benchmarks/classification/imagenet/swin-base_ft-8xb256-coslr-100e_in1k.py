_base_ = [
    "../_base_/models/swin-base.py",
    "../_base_/datasets/imagenet.py",
    "../_base_/schedules/adamw_coslr-100e_in1k.py",
    "../_base_/default_runtime.py",
]
custom_imports = dict(imports="mmcls.models", allow_failed_imports=False)

model = dict(backbone=dict(init_cfg=dict()))

# RandomAug also flips, makes a tensor and normalises
train_pipeline = [
    dict(
        type="RandomAug",
        input_size=192,
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
test_pipeline = [
    dict(type="Resize", size=219, interpolation=3),  # bicubic
    dict(type="CenterCrop", size=192),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
data = dict(
    samples_per_gpu=256,  # 8 GPUs: a batch of 2,048
    workers_per_gpu=32,
    drop_last=False,
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
)

optimizer = dict(
    lr=5e-3,
    model_type="swin",
    layer_decay=0.9,
    constructor="TransformerFinetuneConstructor",
    paramwise_options={
        "norm": dict(weight_decay=0.0),
        "bias": dict(weight_decay=0.0),
        "absolute_pos_embed": dict(weight_decay=0.0),
        "relative_position_bias_table": dict(weight_decay=0.0),
    },
)
optimizer_config = dict(grad_clip=dict(max_norm=5.0))
lr_config = dict(
    _delete_=True,
    policy="CosineAnnealing",
    by_epoch=False,
    min_lr=1e-6,
    warmup="linear",
    warmup_by_epoch=True,
    warmup_iters=20,  # epochs
    warmup_ratio=1e-6 / 5e-3,
)
fp16 = dict(loss_scale="dynamic")

checkpoint_config = dict(interval=1, max_keep_ckpts=3, out_dir="")
log_config = dict(interval=100)
