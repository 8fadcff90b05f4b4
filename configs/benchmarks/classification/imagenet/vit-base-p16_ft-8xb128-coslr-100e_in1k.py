_base_ = [
    "../_base_/models/vit-base-p16_ft.py",
    "../_base_/datasets/imagenet.py",
    "../_base_/schedules/adamw_coslr-100e_in1k.py",
    "../_base_/default_runtime.py",
]

model = dict(backbone=dict(init_cfg=dict()))

# RandomAug also flips, makes a tensor and normalises
train_pipeline = [
    dict(
        type="RandomAug",
        input_size=224,
        color_jitter=None,
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
    dict(type="Resize", size=256, interpolation=3),  # bicubic
    dict(type="CenterCrop", size=224),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
data = dict(
    samples_per_gpu=128,  # 8 GPUs: a batch of 1,024
    workers_per_gpu=32,
    drop_last=False,
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
)

optimizer = dict(
    lr=1e-3 * 1024 / 256,
    model_type="vit",
    layer_decay=0.65,
    constructor="TransformerFinetuneConstructor",
    paramwise_options={
        "ln": dict(weight_decay=0.0),
        "bias": dict(weight_decay=0.0),
        "pos_embed": dict(weight_decay=0.0),
        "cls_token": dict(weight_decay=0.0),
    },
)
lr_config = dict(policy="StepFixCosineAnnealing", by_epoch=False, min_lr=1e-6)

checkpoint_config = dict(interval=1, max_keep_ckpts=3, out_dir="")
log_config = dict(interval=100)
